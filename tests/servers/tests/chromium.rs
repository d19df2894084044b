//! A browser goes with its server, and that with its handle.

use idempotent_servers::{CHROMIUM_FLAGS, Chromedriver, ServerError};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

/// How many processes there are whose arguments name a file in the folder.
fn processes_of(folder: &Path) -> usize {
    let folder = folder.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let words = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    // Not the one that takes the folder away, which ends when its owner has seen to that.
    words.filter(|words| words.windows(folder.len() + 1).any(|part| part == [folder, b"/"].concat())).count()
}

/// Has a browser started that keeps its things in the folder of its server.
fn open_browser(driver: &Chromedriver) -> std::io::Result<()> {
    let profile = format!("--user-data-dir={}/profile", driver.folder().display());
    let flags = [CHROMIUM_FLAGS.as_slice(), &[&profile]].concat();
    let wanted = format!(r#"{{"capabilities":{{"alwaysMatch":{{"goog:chromeOptions":{{"args":{flags:?}}}}}}}}}"#);
    let mut connection = TcpStream::connect(("127.0.0.1", driver.port()))?;
    let length = wanted.len();
    write!(
        connection,
        "POST /session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{wanted}"
    )?;
    // The server keeps the connection open.
    let (mut answer, mut bytes) = (Vec::new(), [0; 4_096]);
    while !String::from_utf8_lossy(&answer).contains("sessionId") {
        let count = connection.read(&mut bytes)?;
        if count == 0 || answer.len() > 1 << 20 {
            return Err(std::io::Error::other(String::from_utf8_lossy(&answer)));
        }
        answer.extend(&bytes[..count]);
    }
    Ok(())
}

#[test]
fn a_browser_ends_with_its_server() -> Result<(), ServerError> {
    let driver = Chromedriver::start()?;
    assert!(Chromedriver::version()?.contains('.'));
    assert!(open_browser(&driver).is_ok());
    let (folder, port) = (driver.folder().to_owned(), driver.port());
    assert!(processes_of(&folder) > 1);
    drop(driver);
    assert_eq!(processes_of(&folder), 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!folder.exists());
    Ok(())
}
