//! From files to the desired graph: parameters, components, repetition, expressions, references.
