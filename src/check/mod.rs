//! One check of one target before one deadline.
