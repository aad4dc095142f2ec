//! Sound: devices, Opus, jitter buffer, playout.
