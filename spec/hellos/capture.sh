#!/usr/bin/env bash
# Captures the first message of real TLS clients, one .hex file each beside this script: a line of provenance, then
# the bytes as they came, from the first to the last record of the hello. A client that is not installed is skipped.
# Clients are told to give up soon: nobody answers them.
#   usage: spec/hellos/capture.sh [PORT]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
port=${1:-22443}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=example.com
url=https://$name:$port/

catch() { # catch FILE PROVENANCE: takes connections until one begins with a whole hello
    timeout 30 python3 - "$here/$1.hex" "$2" "$port" <<'PY'
import socket, sys
path, provenance, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
listener = socket.create_server(("127.0.0.1", port))
listener.settimeout(25)
open(path + ".ready", "w").close()
def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more: raise EOFError
        data += more
    return data
while True:
    s, _ = listener.accept()
    s.settimeout(5)
    try:
        wire, message = b"", b""
        while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4], "big"):
            header = exactly(s, 5)
            if header[0] != 22: raise EOFError
            body = exactly(s, int.from_bytes(header[3:5], "big"))
            wire, message = wire + header + body, message + body
        break
    except (EOFError, OSError):
        s.close()
text = wire.hex()
with open(path, "w") as f:
    f.write("# " + provenance + "\n")
    for i in range(0, len(text), 96): f.write(text[i:i + 96] + "\n")
s.close()
PY
}

shoot() { # shoot FILE PROVENANCE COMMAND...
    local file=$1 provenance=$2; shift 2
    command -v "$1" >/dev/null || { echo "skipped $file: no $1"; return; }
    rm -f "$here/$file.hex.ready"
    catch "$file" "$provenance" & local catcher=$!
    for _ in $(seq 50); do [ -e "$here/$file.hex.ready" ] && break; sleep 0.1; done
    rm -f "$here/$file.hex.ready"
    timeout 25 "$@" </dev/null >"$work/out" 2>&1 & local client=$!
    wait $catcher && echo "captured $file" || { echo "FAILED $file"; tail -3 "$work/out"; }
    kill $client 2>/dev/null; wait $client 2>/dev/null
}

openssl_version=$(openssl version | cut -d' ' -f1,2)
s_client() { local file=$1; shift; shoot "$file" "$openssl_version s_client $*" openssl s_client -connect 127.0.0.1:$port "$@"; }
s_client openssl-default -servername $name
s_client openssl-noname -noservername
s_client openssl-tls12 -tls1_2 -servername $name
s_client openssl-tls12-noext-alpn -tls1_2 -servername $name -alpn h2,http/1.1 -nextprotoneg spdy/3
s_client openssl-tls13 -tls1_3 -servername $name -alpn h2
s_client openssl-tls11 -tls1_1 -cipher ALL:@SECLEVEL=0 -servername $name
s_client openssl-upper-dot -servername EXAMPLE.com.
s_client openssl-literal -servername 127.0.0.1
s_client openssl-many-groups -tls1_3 -servername $name -groups P-256:P-384:P-521:X25519:X448:ffdhe2048:ffdhe8192

curl_version=$(curl --version | head -1 | cut -d' ' -f1-5)
shoot curl-h2 "$curl_version, HTTP/2" curl -sk --http2 --resolve $name:$port:127.0.0.1 $url
shoot curl-http11 "$curl_version, HTTP/1.1" curl -sk --http1.1 --resolve $name:$port:127.0.0.1 $url
shoot curl-noalpn "$curl_version, without ALPN" curl -sk --no-alpn --resolve $name:$port:127.0.0.1 $url
shoot gnutls-cli "$(gnutls-cli --version 2>/dev/null | head -1)" gnutls-cli --insecure --sni-hostname=$name -p $port 127.0.0.1
shoot gnutls-cli-tls12 "$(gnutls-cli --version 2>/dev/null | head -1), TLS 1.2" gnutls-cli --insecure --priority 'NORMAL:-VERS-ALL:+VERS-TLS1.2' --sni-hostname=$name -p $port 127.0.0.1
shoot wget "$(wget --version 2>/dev/null | head -1)" wget -q --tries=1 --no-check-certificate -O /dev/null https://localhost:$port/
shoot git "$(git --version 2>/dev/null), libcurl" git ls-remote https://localhost:$port/a.git
shoot socat "$(socat -V 2>/dev/null | sed -n 2p)" socat -u OPEN:/dev/null openssl:localhost:$port,verify=0,snihost=$name

python_client='import ssl,socket,sys;c=ssl._create_unverified_context();c.set_alpn_protocols(["http/1.1"]);c.wrap_socket(socket.create_connection(("127.0.0.1",'$port')),server_hostname="'$name'")'
shoot python "$(python3 --version 2>&1), $(python3 -c 'import ssl;print(ssl.OPENSSL_VERSION)' 2>/dev/null)" python3 -c "$python_client"
shoot node "Node $(node --version 2>/dev/null), https" node -e "require('https').get({host:'127.0.0.1',port:$port,servername:'$name',rejectUnauthorized:false}).on('error',()=>{})"
shoot node-h2 "Node $(node --version 2>/dev/null), http2" node -e "require('http2').connect('https://localhost:$port',{rejectUnauthorized:false}).on('error',()=>{})"

cat >"$work/Http2.java" <<JAVA
public class Http2 { public static void main(String[] a) throws Exception {
  java.net.http.HttpClient.newHttpClient().send(java.net.http.HttpRequest.newBuilder(java.net.URI.create("https://localhost.localdomain:$port/")).build(),
    java.net.http.HttpResponse.BodyHandlers.ofString()); } }
JAVA
cat >"$work/Url.java" <<JAVA
public class Url { public static void main(String[] a) throws Exception {
  var s = (javax.net.ssl.SSLSocket) javax.net.ssl.SSLSocketFactory.getDefault().createSocket("127.0.0.1", $port);
  var p = s.getSSLParameters(); p.setServerNames(java.util.List.of(new javax.net.ssl.SNIHostName("$name"))); s.setSSLParameters(p); s.startHandshake(); } }
JAVA
java_version=$(java -version 2>&1 | head -1 | tr -d '"')
shoot java-socket "$java_version, SSLSocket" java "$work/Url.java"
sed "s/localhost.localdomain/localhost/" -i "$work/Http2.java"
shoot java-http "$java_version, HttpClient" java "$work/Http2.java"

mkdir -p "$work/go"; cat >"$work/go/main.go" <<GO
package main
import ("crypto/tls"; "os")
func main() { c := &tls.Config{ServerName: "$name", InsecureSkipVerify: true}
  if len(os.Args) > 1 { c.NextProtos = os.Args[1:] }
  tls.Dial("tcp", "127.0.0.1:$port", c) }
GO
if command -v go >/dev/null && (cd "$work/go" && go build -o client main.go); then
    shoot go "$(go version | cut -d' ' -f1-3), crypto/tls" "$work/go/client"
    shoot go-alpn "$(go version | cut -d' ' -f1-3), crypto/tls with ALPN" "$work/go/client" h2 http/1.1
else echo "skipped go"; fi

mkdir -p "$work/rust/src"; cat >"$work/rust/Cargo.toml" <<TOML
[package]
name = "client"
version = "0.1.0"
edition = "2021"
[dependencies]
ureq = "2"
TOML
echo "fn main() { let _ = ureq::get(\"https://localhost:$port/\").call(); }" >"$work/rust/src/main.rs"
if command -v cargo >/dev/null && (cd "$work/rust" && cargo build -q 2>"$work/out"); then
    shoot rustls "Rust, ureq 2 with rustls" "$work/rust/target/debug/client"
else echo "skipped rustls"; tail -2 "$work/out"; fi

mkdir -p "$work/net"; cat >"$work/net/net.csproj" <<XML
<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>
XML
cat >"$work/net/Program.cs" <<CS
if (args[0] == "http") { try { new System.Net.Http.HttpClient { DefaultRequestVersion = new(2, 0) }.GetAsync("https://localhost:$port/").Wait(); } catch { } return; }
var s = new System.Net.Security.SslStream(new System.Net.Sockets.TcpClient("127.0.0.1", $port).GetStream());
try { s.AuthenticateAsClient("$name"); } catch { }
CS
if command -v dotnet >/dev/null && dotnet build "$work/net" -o "$work/net/out" -v q -nologo >"$work/out" 2>&1; then
    shoot dotnet-sslstream ".NET $(dotnet --version), SslStream" dotnet "$work/net/out/net.dll" stream
    shoot dotnet-http ".NET $(dotnet --version), HttpClient" dotnet "$work/net/out/net.dll" http
else echo "skipped .NET"; tail -2 "$work/out"; fi

chromium() { command chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/chromium" --host-resolver-rules="MAP $name 127.0.0.1" "$@"; }
export -f chromium; export work name
shoot chromium "$(command chromium --version 2>/dev/null)" bash -c "chromium --dump-dom $url"

cat >"$work/nginx.conf" <<NGINX
daemon off; pid $work/nginx.pid; error_log /dev/null; events {}
http { access_log /dev/null; server { listen unix:$work/nginx.sock; location / { proxy_pass https://127.0.0.1:$port; proxy_ssl_server_name on; proxy_ssl_name $name; proxy_ssl_protocols TLSv1.2 TLSv1.3; } } }
NGINX
shoot nginx "$(nginx -v 2>&1), proxy_ssl" bash -c "nginx -c $work/nginx.conf -p $work & sleep 1; curl -s --unix-socket $work/nginx.sock http://x/; kill %1"
cat >"$work/haproxy.cfg" <<HAPROXY
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen l
  bind unix@$work/haproxy.sock
  server s 127.0.0.1:$port ssl verify none sni str($name) alpn h2
HAPROXY
shoot haproxy "$(haproxy -v 2>/dev/null | head -1 | cut -d' ' -f1-3), server ssl" bash -c "haproxy -f $work/haproxy.cfg & sleep 1; echo hi | socat -t2 - UNIX:$work/haproxy.sock; kill %1"
