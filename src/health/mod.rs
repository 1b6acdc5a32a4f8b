//! Decides from check outcomes whether each real server is available. Pure.
