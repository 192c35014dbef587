//! Graphs: order, cycles with their path, ready sets.
