//! The files a user writes: loaded, parsed with positions, decoded.
