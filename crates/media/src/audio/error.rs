//! Why sound cannot be taken or played.

/// Why a sound device, file or codec failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    /// There is no such device, or none at all.
    #[error("no such sound device")]
    NotFound,
    /// Another program holds the device.
    #[error("the sound device is in use by another program")]
    Busy,
    /// The system does not let this program use the device or file.
    #[error("access to the sound device was refused")]
    PermissionDenied,
    /// The device went away while in use.
    #[error("the sound device was unplugged")]
    Unplugged,
    /// The device or file is of a kind that cannot be used; says what is wrong with it.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// Anything else, in the system's words.
    #[error("sound failed: {0}")]
    Failed(String),
}

impl From<cpal::Error> for AudioError {
    fn from(error: cpal::Error) -> Self {
        use cpal::ErrorKind as Kind;
        match error.kind() {
            Kind::DeviceNotAvailable | Kind::HostUnavailable => Self::NotFound,
            Kind::DeviceBusy => Self::Busy,
            Kind::PermissionDenied => Self::PermissionDenied,
            Kind::StreamInvalidated => Self::Unplugged,
            Kind::UnsupportedConfig | Kind::UnsupportedOperation | Kind::InvalidInput => {
                Self::Unsupported(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for AudioError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound,
            std::io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<opus::Error> for AudioError {
    fn from(error: opus::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
