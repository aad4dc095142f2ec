//! throw-away
use std::time::{Duration, Instant};
use bytes::Bytes;
use eyeline_media::frame::*;
use eyeline_rtc::*;
use std::io::{BufRead, BufReader, Write};
fn ivf(path: &str) -> Vec<Bytes> {
    let d = Bytes::from(std::fs::read(path).expect("ivf"));
    let mut at = 32; let mut out = vec![];
    while at + 12 <= d.len() { let n = u32::from_le_bytes(d[at..at + 4].try_into().expect("4")) as usize; out.push(d.slice(at + 12..at + 12 + n)); at += 12 + n; }
    out
}
#[tokio::main]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (role, codec, path, port, secs) = (a[1].as_str(), a[2].as_str(), a[3].clone(), a[4].clone(), a[5].parse::<u64>().expect("secs"));
    let codec = if codec == "vp8" { VideoCodec::Vp8 } else { VideoCodec::Vp9 };
    let (vtx, vrx) = std::sync::mpsc::sync_channel(1000);
    let (atx, arx) = std::sync::mpsc::sync_channel(1000);
    let cfg = PeerConfig { include_loopback: true, codecs: vec![codec], ..Default::default() };
    let (peer, mut ev) = Peer::new(cfg, PeerSinks { video: Box::new(move |f| { vtx.try_send(f).ok(); }), audio: Box::new(move |p| { atx.try_send(p).ok(); }) }).await.expect("peer");
    let s = if role == "answer" { std::net::TcpListener::bind(format!("127.0.0.1:{port}")).expect("l").accept().expect("a").0 }
        else { loop { if let Ok(s) = std::net::TcpStream::connect(format!("127.0.0.1:{port}")) { break s; } std::thread::sleep(Duration::from_millis(50)); } };
    let mut wr = s.try_clone().expect("clone");
    let (ltx, mut lrx) = tokio::sync::mpsc::channel::<String>(100);
    std::thread::spawn(move || { for l in BufReader::new(s).lines().map_while(Result::ok) { ltx.blocking_send(l).ok(); } });
    let (stx, mut srx) = tokio::sync::mpsc::channel::<String>(100);
    tokio::spawn(async move { while let Some(l) = srx.recv().await { wr.write_all(format!("{l}\n").as_bytes()).ok(); } });
    if role == "offer" { let o = peer.create_offer(false).await.expect("offer"); stx.send(serde_json::json!({"type":"offer","sdp":o}).to_string()).await.ok(); }
    let (p2, s2) = (peer.clone(), stx.clone());
    tokio::spawn(async move { while let Some(l) = lrx.recv().await {
        let v: serde_json::Value = serde_json::from_str(&l).expect("json");
        if let Some(c) = v.get("candidate") { if let Err(e) = p2.add_candidate(&c.to_string()).await { println!("cand {e}"); } }
        else if v["type"] == "offer" { match p2.accept_offer(v["sdp"].as_str().unwrap_or("")).await { Ok(an) => { s2.send(serde_json::json!({"type":"answer","sdp":an}).to_string()).await.ok(); } Err(e) => println!("offer {e}") } }
        else { println!("answer {:?}", p2.accept_answer(v["sdp"].as_str().unwrap_or("")).await); }
    } });
    let (kf_tx, kf_rx) = std::sync::mpsc::sync_channel(1);
    let p3 = peer.clone();
    tokio::spawn(async move { let t0 = Instant::now(); while let Some(e) = ev.recv().await {
        if !matches!(e, PeerEvent::TargetBitrate(_)) { println!("[{:.3}] {e:?}", t0.elapsed().as_secs_f32()); }
        match e { PeerEvent::LocalCandidate(j) => { stx.send(format!("{{\"candidate\":{j}}}")).await.ok(); } PeerEvent::KeyframeRequested => { kf_tx.try_send(()).ok(); } PeerEvent::ControlOpen => { println!("ctl {:?}", p3.send_control(Bytes::from_static(b"hi")).await); } _ => {} }
    } });
    let (vs, aus) = (peer.video(), peer.audio());
    std::thread::spawn(move || {
        let frames = ivf(&path); let start = Instant::now(); let mut n = 0_usize; let mut fi = 0; let mut refused = 0;
        loop {
            let at = start + Duration::from_millis(33) * n as u32; if let Some(d) = at.checked_duration_since(Instant::now()) { std::thread::sleep(d); }
            n += 1;
            if kf_rx.try_recv().is_ok() { fi = 0; }
            let f = &frames[fi % frames.len()]; 
            let ok = vs.send(EncodedVideo { codec, data: f.clone(), keyframe: fi % frames.len() == 0, captured_at: Instant::now(), width: 640, height: 480 });
            if ok { fi += 1; } else { fi = 0; refused += 1; if refused % 100 == 0 { println!("refused {refused}"); } }
        }
    });
    std::thread::spawn(move || { let start = Instant::now(); let mut n = 0_u64; loop {
        let at = start + Duration::from_millis(20) * n as u32; if let Some(d) = at.checked_duration_since(Instant::now()) { std::thread::sleep(d); }
        aus.send(EncodedAudio { data: Bytes::from_static(&[0xfc, 0xff, 0xfe]), captured_at: Instant::now(), first_sample: n * 960 }); n += 1; } });
    let mut dump = vec![];
    for s in 0..secs {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let st = peer.stats().await;
        let mut nf = 0; let mut bytes = 0; while let Ok(f) = vrx.try_recv() { nf += 1; bytes += f.data.len(); dump.push(f); }
        let na = arx.try_iter().count();
        println!("{s}: rtt {:?} target {} sent {} B {} p resent {} | rx frames {nf} {} kbps audio {na} | rec {} lost {} nack {}/{} pli {}/{} loss {:.3} drop {} jit {:?} path {:?}", st.rtt, st.estimate, st.bytes_sent, st.packets_sent, st.packets_resent, bytes * 8 / 1000, st.packets_recovered, st.packets_lost, st.nacks_sent, st.nacks_received, st.plis_sent, st.plis_received, st.fraction_lost_by_peer, st.frames_dropped, st.video_jitter, st.path);
    }
    if let Some(out) = a.get(6) { // write what was received as ivf
        let mut v = b"DKIF\0\0\x20\0".to_vec(); v.extend(if codec == VideoCodec::Vp8 { b"VP80" } else { b"VP90" }); v.extend([0x80, 2, 0xe0, 1]); v.extend(30_u32.to_le_bytes()); v.extend(1_u32.to_le_bytes()); v.extend((dump.len() as u32).to_le_bytes()); v.extend([0; 4]);
        for (i, f) in dump.iter().enumerate() { v.extend((f.data.len() as u32).to_le_bytes()); v.extend((i as u64).to_le_bytes()); v.extend(&f.data); }
        std::fs::write(out, v).expect("write");
    }
    let t = Instant::now(); peer.close().await; println!("close {:?}", t.elapsed());
}
