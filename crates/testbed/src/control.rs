//! The control socket: a thread for each connection, answers in the order asked.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::failure::{Failure, While};
use crate::inside::End;
use crate::request::Reach;

/// Answers connections until the process ends, and reports when the last one has gone.
pub(crate) fn serve(listener: UnixListener, reach: Reach) -> Result<(), Failure> {
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            for connection in listener.incoming().flatten() {
                open.fetch_add(1, Ordering::SeqCst);
                let (reach, open) = (reach.clone(), Arc::clone(&open));
                std::thread::spawn(move || {
                    // A connection that breaks is one that has gone.
                    let _ = converse(&connection, &reach);
                    if open.fetch_sub(1, Ordering::SeqCst) == 1 {
                        let _ = reach.end.send(End::Deserted);
                    }
                });
            }
        })
        .map(drop)
        .during("control thread")
}

fn converse(connection: &UnixStream, reach: &Reach) -> std::io::Result<()> {
    let mut writer = connection;
    for line in BufReader::new(connection).lines() {
        let mut answer = reach.answer(&line?).to_string();
        answer.push('\n');
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Asks a bed one thing.
pub(crate) fn ask(socket: &Path, request: &Value) -> Result<Value, Failure> {
    let mut connection = UnixStream::connect(socket).on(socket)?;
    connection.write_all(format!("{request}\n").as_bytes()).on(socket)?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).on(socket)?;
    let answer: Value = serde_json::from_str(&line).on(socket)?;
    match answer["error"].as_str() {
        Some(error) => Err(Failure::refused(error)),
        None => Ok(answer),
    }
}
