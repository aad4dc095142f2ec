//! eyeline-tests
