//! Computes the desired table and the ordered plan that turns the observed one into it. Pure.
