//! Care of servers: parameters, patches, sessions.
