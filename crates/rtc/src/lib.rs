//! eyeline-rtc
