//! eyeline-peer
