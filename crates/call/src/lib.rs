//! eyeline-call
