//! A model of a cloud at the level of kinds, kept on disk between commands.
