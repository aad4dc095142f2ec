//! eyeline-seal
