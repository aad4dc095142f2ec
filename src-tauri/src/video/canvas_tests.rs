use eyeline_media::frame::{FrameTimes, I420Buffer};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::super::frames::{HEADER_BYTES, MAGIC};
use super::*;

type Page = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(20);

struct Rig {
    url: String,
    slots: [FrameSlot; 2],
}

impl Rig {
    async fn new() -> Self {
        let slots: [FrameSlot; 2] = [Arc::new(LatestSlot::default()), Arc::new(LatestSlot::default())];
        let url = start(slots.clone()).await.unwrap();
        Self { url, slots }
    }

    fn show(&self, tile: TileName, side: u32) {
        let slot = if tile == TileName::Remote { &self.slots[0] } else { &self.slots[1] };
        let picture = Arc::new(I420Buffer::black(side, side));
        slot.put(VideoFrame { picture, index: 0, times: FrameTimes::default() });
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.slots.iter().for_each(|slot| slot.close());
    }
}

async fn connect(url: &str, origin: Option<&str>) -> Result<Page, tungstenite::Error> {
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.map(|(page, _)| page)
}

/// Tile byte, width and sequence of the next picture.
async fn next(page: &mut Page) -> (u8, u32, u64) {
    let message = tokio::time::timeout(PATIENCE, page.next()).await.unwrap().unwrap().unwrap().into_data();
    assert_eq!(message[..4], MAGIC.to_le_bytes());
    let width = u32::from_le_bytes(message[8..12].try_into().unwrap());
    assert_eq!(message.len(), HEADER_BYTES + I420Buffer::len_of(width, width));
    (message[4], width, u64::from_le_bytes(message[16..24].try_into().unwrap()))
}

async fn acknowledge(page: &mut Page, sequence: u64) {
    let ack = [MAGIC.to_le_bytes().as_slice(), &sequence.to_le_bytes()].concat();
    page.send(Message::binary(ack)).await.unwrap();
}

async fn is_over(page: &mut Page) -> bool {
    let rest = async { while let Some(Ok(_)) = page.next().await {} };
    tokio::time::timeout(PATIENCE, rest).await.is_ok()
}

#[tokio::test]
async fn strangers_are_refused() {
    let rig = Rig::new().await;
    let (base, token) = rig.url.rsplit_once('/').unwrap();
    let guessed = format!("{base}/{}", "0".repeat(token.len()));
    for (url, origin) in [
        (rig.url.as_str(), None),
        (rig.url.as_str(), Some("https://example.org")),
        (rig.url.as_str(), Some("http://localhost")),
        (guessed.as_str(), Some(ORIGINS[0])),
        (base, Some(ORIGINS[0])),
        (&rig.url[..rig.url.len() - 1], Some(ORIGINS[0])),
    ] {
        match connect(url, origin).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), StatusCode::FORBIDDEN),
            other => panic!("{url} {origin:?}: {other:?}"),
        }
    }
    for origin in ORIGINS {
        connect(&rig.url, Some(origin)).await.unwrap();
    }
}

#[tokio::test]
async fn pictures_wait_for_acknowledgements_and_the_newest_wins() {
    let rig = Rig::new().await;
    let mut page = connect(&rig.url, Some(ORIGINS[0])).await.unwrap();
    rig.show(TileName::Remote, 2);
    assert_eq!(next(&mut page).await, (0, 2, 1));
    rig.show(TileName::Remote, 4);
    assert_eq!(next(&mut page).await, (0, 4, 2));
    // The window of this tile is full. The other tile's pictures still come, and when they have come twice, everything put
    // before them was seen by the reader threads' loops or replaced.
    rig.show(TileName::Remote, 6);
    rig.show(TileName::SelfView, 8);
    assert_eq!(next(&mut page).await, (1, 8, 3));
    rig.show(TileName::Remote, 10);
    rig.show(TileName::SelfView, 12);
    assert_eq!(next(&mut page).await, (1, 12, 4));
    acknowledge(&mut page, 2).await;
    loop {
        // 10 replaced 6, unless the acknowledgement was quicker than the reader.
        match next(&mut page).await {
            (0, 6, sequence) => acknowledge(&mut page, sequence).await,
            picture => break assert_eq!((picture.0, picture.1), (0, 10)),
        }
    }
}

#[tokio::test]
async fn a_new_page_replaces_the_old_one_and_sees_nothing_old() {
    let rig = Rig::new().await;
    let mut old = connect(&rig.url, Some(ORIGINS[0])).await.unwrap();
    rig.show(TileName::SelfView, 16);
    assert_eq!(next(&mut old).await, (1, 16, 1));
    let mut new = connect(&rig.url, Some(ORIGINS[1])).await.unwrap();
    assert!(is_over(&mut old).await);
    rig.show(TileName::SelfView, 18);
    assert_eq!(next(&mut new).await, (1, 18, 1));
}

#[tokio::test]
async fn anything_but_an_acknowledgement_ends_the_connection() {
    let rig = Rig::new().await;
    for junk in [Message::text("hello"), Message::binary(vec![0; 12]), Message::binary(vec![0; 5_000_000])] {
        let mut page = connect(&rig.url, Some(ORIGINS[0])).await.unwrap();
        let _ = page.send(junk).await; // the other end may be gone before all of it is written
        assert!(is_over(&mut page).await);
    }
}
