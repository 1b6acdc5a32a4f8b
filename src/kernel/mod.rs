//! Every conversation with the Linux kernel.
