//! Trying to get hold of a device, and what is told of it.

use std::time::Duration;

use super::{AudioError, AudioEvent};

/// Pause between two attempts to open a device.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Longest sleep of a worker whose device should wake it far more often.
pub(super) const DEVICE_NAP: Duration = Duration::from_millis(50);

/// Tells apart the first opening, failing and losing a device, so that each is told once.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    told: Option<AudioError>,
    lost: bool,
}

impl Attempts {
    /// Tries the chosen device; once it was lost, the default one will do.
    pub(super) fn open<T>(
        &self,
        id: Option<&str>,
        open: impl Fn(Option<&str>) -> Result<T, AudioError>,
    ) -> Result<T, AudioError> {
        match open(id) {
            Err(_) if self.lost && id.is_some() => open(None),
            other => other,
        }
    }

    pub(super) fn opened(&mut self, label: &str, events: &mut dyn FnMut(AudioEvent)) {
        tracing::info!(label, "sound device open");
        if std::mem::take(&mut self.lost) {
            events(AudioEvent::Back);
        }
        self.told = None;
        events(AudioEvent::Running { label: label.to_owned() });
    }

    pub(super) fn lost(&mut self, error: &AudioError, events: &mut dyn FnMut(AudioEvent)) {
        tracing::info!(%error, "sound device lost");
        self.lost = true;
        events(AudioEvent::Unplugged);
    }

    pub(super) fn failed(&mut self, error: AudioError, events: &mut dyn FnMut(AudioEvent)) {
        // While a lost device is looked for, not finding it is no news.
        if self.lost || self.told.as_ref() == Some(&error) {
            return;
        }
        tracing::info!(%error, "sound device cannot be opened");
        self.told = Some(error.clone());
        events(AudioEvent::Failed(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_told_once() {
        let mut told = Vec::new();
        let mut attempts = Attempts::default();
        let mut events = |event| told.push(event);
        attempts.failed(AudioError::NotFound, &mut events);
        attempts.failed(AudioError::NotFound, &mut events);
        attempts.failed(AudioError::Busy, &mut events);
        assert_eq!(attempts.open(Some("x"), |id| id.map(|_| ()).ok_or(AudioError::Busy)), Ok(()));
        assert!(attempts.open(Some("x"), |id| if id.is_none() { Ok(()) } else { Err(AudioError::Busy) }).is_err());
        attempts.opened("mic", &mut events);
        attempts.lost(&AudioError::Unplugged, &mut events);
        attempts.failed(AudioError::NotFound, &mut events);
        assert!(attempts.open(Some("x"), |id| if id.is_none() { Ok(()) } else { Err(AudioError::Busy) }).is_ok());
        attempts.opened("other", &mut events);
        let running = |label: &str| AudioEvent::Running { label: label.into() };
        let expected = [
            AudioEvent::Failed(AudioError::NotFound),
            AudioEvent::Failed(AudioError::Busy),
            running("mic"),
            AudioEvent::Unplugged,
            AudioEvent::Back,
            running("other"),
        ];
        assert_eq!(told, expected);
    }
}
