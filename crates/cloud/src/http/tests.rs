use std::io::Write as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn open() -> HttpSettings {
    HttpSettings { allow_private: true, ..HttpSettings::default() }
}

/// A server that gives every connection this answer and closes it.
async fn server(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path?secret=hunter2", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 65536];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    url
}

fn with_credentials(url: &str) -> HttpRequest {
    HttpRequest::get(url).with_header(header::AUTHORIZATION, "Bearer hunter2").unwrap()
}

#[tokio::test]
async fn an_answer_comes_with_status_headers_and_body() {
    let url = server("HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello").await;
    let answer = Http::new(open()).unwrap().send(HttpRequest::get(url)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("x-a"), &answer.body[..]), (404, Some("b"), &b"hello"[..]));
}

#[tokio::test]
async fn private_addresses_are_refused_by_default() {
    let http = Http::new(HttpSettings::default()).unwrap();
    for host in ["127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254", "0x7f.1", "localhost", "0"] {
        let error = http.send(HttpRequest::get(format!("https://{host}:9/a?secret=hunter2"))).await.unwrap_err();
        assert!(matches!(error, TransportError::Refused { .. }), "{host}: {error}");
        assert_eq!(error.kind(), FailureKind::Refused);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn names_are_checked_after_resolving() {
    let http = Http::new(HttpSettings { allow_metadata: true, ..HttpSettings::default() }).unwrap();
    let error = http.send(HttpRequest::get("http://localhost:9/")).await.unwrap_err();
    assert!(matches!(&error, TransportError::Refused { why, .. } if why.contains("private")), "{error}");
}

#[tokio::test]
async fn plain_http_passwords_and_other_schemes_are_refused() {
    let closed = Http::new(HttpSettings::default()).unwrap();
    let error = closed.send(HttpRequest::get("http://example.com/")).await.unwrap_err();
    assert!(error.to_string().contains("plain HTTP"), "{error}");
    // What opens private addresses does not open plain HTTP to everybody.
    let error =
        Http::new(open()).unwrap().send(HttpRequest::get("http://8.8.8.8:9/?secret=hunter2")).await.unwrap_err();
    assert!(error.to_string().contains("8.8.8.8 is a public address"), "{error}");
    for url in ["https://u:hunter2@example.com/", "ftp://example.com/", "file:///etc/passwd", "nonsense"] {
        let error = Http::new(open()).unwrap().send(HttpRequest::get(url)).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Refused, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let http = Http::new(open()).unwrap();
    let elsewhere =
        server("HTTP/1.1 302 Found\r\nLocation: https://evil.example/?q\r\nContent-Length: 0\r\n\r\n").await;
    let error = http.send(with_credentials(&elsewhere)).await.unwrap_err();
    assert!(matches!(&error, TransportError::Redirect { target, .. } if target == "evil.example"), "{error}");
    assert_eq!(error.code(), "Refused");
    let without = http.send(HttpRequest::get(elsewhere)).await.unwrap();
    assert_eq!(without.status.as_u16(), 302);
    let within = server("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(http.send(with_credentials(&within)).await.unwrap().status.as_u16(), 302);
}

#[tokio::test]
async fn long_bodies_are_cut() {
    let http = Http::new(HttpSettings { longest_body: 10, ..open() }).unwrap();
    let announced = server("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world").await;
    let chunked =
        server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n").await;
    for url in [announced, chunked] {
        let error = http.send(HttpRequest::get(url)).await.unwrap_err();
        assert!(matches!(error, TransportError::TooLarge { longest: 10, .. }), "{error}");
    }
    let fits = server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhelloworld").await;
    assert_eq!(http.send(HttpRequest::get(fits)).await.unwrap().body.len(), 10);
}

#[tokio::test]
async fn the_limit_counts_decompressed_bytes() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![b'a'; 100_000]).unwrap();
    let packed = packer.finish().unwrap();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len()).into_bytes();
    answer.extend_from_slice(&packed);
    let url = server(answer).await;
    let whole = Http::new(open()).unwrap().send(HttpRequest::get(&url)).await.unwrap();
    assert_eq!(whole.body.len(), 100_000);
    let small = Http::new(HttpSettings { longest_body: 50_000, ..open() }).unwrap();
    assert!(matches!(small.send(HttpRequest::get(url)).await, Err(TransportError::TooLarge { .. })));
}

#[tokio::test]
async fn cut_off_bodies_are_errors() {
    let http = Http::new(open()).unwrap();
    let announced = server("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").await;
    let chunked = server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n").await;
    for url in [announced, chunked] {
        let error = http.send(HttpRequest::get(url)).await.unwrap_err();
        assert!(matches!(error, TransportError::CutOff { .. }), "{error}");
        assert!(error.is_passing() && !error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn slow_answers_and_missing_servers_are_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?secret=hunter2", listener.local_addr().unwrap());
    let http = Http::new(HttpSettings { request_timeout: Duration::from_millis(100), ..open() }).unwrap();
    let error = http.send(HttpRequest::get(&url)).await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { .. }), "{error}");
    drop(listener);
    let error = http.send(HttpRequest::get(&url)).await.unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    assert!(error.is_passing() && !error.to_string().contains("hunter2"), "{error}");
    let error = http.send(HttpRequest::get("https://no-such-host.invalid/")).await.unwrap_err();
    assert!(matches!(error, TransportError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn extra_certificate_authorities_are_trusted() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], key.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 65536];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    });
    let error = Http::new(open()).unwrap().send(HttpRequest::get(&url)).await.unwrap_err();
    assert!(matches!(&error, TransportError::Untrusted { why, .. } if why.contains("certificate")), "{error}");
    assert!(!error.is_passing(), "another try would see the same certificate");
    let trusting = HttpSettings { extra_ca: vec![key.cert.pem().into_bytes()], ..open() };
    assert_eq!(Http::new(trusting).unwrap().send(HttpRequest::get(&url)).await.unwrap().body, "ok");
}

#[test]
fn broken_certificate_authorities_are_refused() {
    let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".to_vec();
    for pem in [b"".to_vec(), b"no certificate".to_vec(), broken] {
        let error = Http::new(HttpSettings { extra_ca: vec![pem], ..open() }).unwrap_err();
        assert!(matches!(error, TransportError::Setup { .. }), "{error}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let mut request = with_credentials("https://example.com/p?secret=hunter2");
    request.body = Bytes::from_static(b"hunter2");
    let settings = HttpSettings { proxy: Some("http://u:hunter2@proxy".to_owned()), ..HttpSettings::default() };
    let response = HttpResponse { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::from("hunter2") };
    let shown = format!("{request:?} {settings:?} {response:?} {:?}", Http::new(settings.clone()).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    let broken = HttpRequest::get("https://example.com").with_header(header::AUTHORIZATION, "hunter2\n").unwrap_err();
    assert!(!broken.to_string().contains("hunter2") && broken.to_string().contains("authorization"), "{broken}");
}

#[tokio::test]
async fn a_proxy_that_the_user_names_is_used_for_https() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 65536];
        let length = stream.read(&mut request).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let proxy = Some(format!("http://localhost:{port}"));
    let http = Http::new(HttpSettings { proxy, ..HttpSettings::default() }).unwrap();
    assert!(http.send(HttpRequest::get("https://cloud.example/")).await.is_err());
    assert!(seen.await.unwrap().starts_with("CONNECT cloud.example:443 HTTP/1.1"));
    let error = http.send(HttpRequest::get("https://169.254.169.254/")).await.unwrap_err();
    assert!(matches!(error, TransportError::Refused { .. }), "{error}");
}
