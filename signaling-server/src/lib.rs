//! eyeline-server
