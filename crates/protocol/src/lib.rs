//! eyeline-protocol
