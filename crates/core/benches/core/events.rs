//! Storing events, and writing them as the stream and JavaScript get them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use divan::{Bencher, black_box};
use usb_daemon_core::Event;
use usb_daemon_core::bench_support::{Keeping, entry_fields, renumbered};

use crate::devices::event;

/// Events in one commit.
const BATCHES: [usize; 2] = [1, 100];

fn append(bencher: Bencher, path: Option<PathBuf>, batch: usize) {
    let mut outbox = Keeping::new(path);
    let event = event();
    let mut seq = 0;
    bencher
        .with_inputs(|| {
            let batch =
                (1..=batch as u64).map(|at| renumbered(&event, seq + at)).collect::<Vec<Arc<Event>>>();
            seq += batch.len() as u64;
            batch
        })
        .bench_local_values(|events| outbox.append(events));
}

#[divan::bench(args = BATCHES)]
fn store_in_memory(bencher: Bencher, batch: usize) {
    append(bencher, None, batch);
}

#[divan::bench(args = BATCHES)]
fn store_in_file(bencher: Bencher, batch: usize) {
    let folder = std::env::temp_dir().join(format!("usb-daemon-bench-store-{}-{batch}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    append(bencher, Some(folder.join("outbox.db")), batch);
    fs::remove_dir_all(&folder).unwrap();
}

#[divan::bench]
fn encode_entry(bencher: Bencher) {
    let event = event();
    bencher.bench_local(|| entry_fields(black_box(&event)));
}

#[divan::bench]
fn encode_info(bencher: Bencher) {
    let event = event();
    bencher.bench_local(|| serde_json::to_string(&black_box(&event).info()).unwrap());
}
