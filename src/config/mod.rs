//! Turns the text of an `ldirectord.cf` into a configuration or into every mistake in it. Pure.
