using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// curl through the program, in HTTP/2 and HTTP/1.1 as ALPN chooses: TLS ended here, ended here and begun anew, and passed through. haproxy and
/// nginx answer; that the protocol of the client is the one that they are spoken to in is theirs to say.
/// </summary>
public sealed class HttpOverTlsTests
{
    private static readonly IssuedCertificate Certificate = TestAuthority.Trusted.Issue("www.example");

    /// <summary>The answer that curl got: the version of HTTP it spoke, and what the server says of it.</summary>
    private static async Task<string> CurlAsync(BitflowProcess bitflow, string proxy, params string[] options)
    {
        int port = bitflow.Port(proxy);
        (int status, string output, string errors) = await ChildProcess.RunAsync(
            "curl",
            ["-sS", "-v", "--max-time", "20", "--cacert", TestAuthority.Trusted.RootFile, "--resolve", $"www.example:{port}:127.0.0.1", "-w", " curl=%{http_version}", .. options, $"https://www.example:{port}/"]);
        Assert.True(status == 0, errors);
        return output.Trim();
    }

    private static string Proxy(string name, string listener, string target, string targetTls = "", string options = "") =>
        $"""
        - name: {name}
          listener: {"{"} address: '127.0.0.1:0'{listener} {"}"}
          targets: [ {"{"} name: www.example, address: 'unix:{target}'{targetTls} {"}"} ]
          options: {"{"} {options} {"}"}

        """;

    [Fact]
    public async Task Curl_speaks_the_HTTP_that_ALPN_chose_with_TLS_ended_here_begun_anew_and_passed_through()
    {
        using var temporary = new TemporaryFolder();
        string folder = temporary.Path;
        string either = $"{folder}/either", plain2 = $"{folder}/plain2", tls = $"{folder}/tls";
        await File.WriteAllTextAsync(
            $"{folder}/haproxy.cfg",
            $"""
            defaults
              mode http
              timeout connect 5s
              timeout client 20s
              timeout server 20s
            frontend either
              bind unix@{either}
              http-request return status 200 content-type text/plain lf-string "haproxy=%[req.ver]"

            """);
        await File.WriteAllTextAsync(
            $"{folder}/nginx.conf",
            $$"""
            daemon off; pid {{folder}}/nginx.pid; error_log stderr; events {}
            http {
              access_log off;
              client_body_temp_path {{folder}}/t1; proxy_temp_path {{folder}}/t2; fastcgi_temp_path {{folder}}/t3; uwsgi_temp_path {{folder}}/t4; scgi_temp_path {{folder}}/t5;
              server { listen unix:{{plain2}} http2; location / { return 200 "nginx=$server_protocol"; } }
              server {
                listen unix:{{tls}} ssl http2; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {{Certificate.File}}; ssl_certificate_key {{Certificate.Key}};
                location / { return 200 "nginx=$server_protocol name=$ssl_server_name"; }
              }
            }
            """);
        using var haproxy = new ChildProcess("haproxy", ["-db", "-f", $"{folder}/haproxy.cfg"]);
        using var nginx = new ChildProcess("nginx", ["-e", "stderr", "-c", $"{folder}/nginx.conf"]);
        await Eventually.IsTrueAsync(() => new[] { either, plain2, tls }.All(File.Exists), () => $"both listen: {nginx.Errors}{haproxy.Errors}");
        string ending = $", tls_context: {{ application_protocols: [ h2, http/1.1 ], certificates: [ {Certificate.Entry} ] }}";
        string anew = $", tls_context: {{ server_name: www.example, application_protocols: [ h2 ], certificates: [ {{ authority: '{TestAuthority.Trusted.RootFile}' }} ] }}";
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy("either", ending, either) + Proxy("plain2", ending, plain2) + Proxy("anew", ending, tls, anew)
            + Proxy("through", "", tls, options: "connection_load_balancer: sni"));

        Assert.Equal("haproxy=2.0 curl=2", await CurlAsync(bitflow, "either", "--http2"));
        Assert.Equal("haproxy=1.1 curl=1.1", await CurlAsync(bitflow, "either", "--http1.1"));
        Assert.Equal("haproxy=1.1 curl=1.1", await CurlAsync(bitflow, "either", "--no-alpn"));
        Assert.Equal("nginx=HTTP/2.0 curl=2", await CurlAsync(bitflow, "plain2", "--http2"));
        Assert.Equal("nginx=HTTP/2.0 name=www.example curl=2", await CurlAsync(bitflow, "anew", "--http2"));
        Assert.Equal("nginx=HTTP/2.0 name=www.example curl=2", await CurlAsync(bitflow, "through", "--http2"));
        Assert.Equal("nginx=HTTP/1.1 name=www.example curl=1.1", await CurlAsync(bitflow, "through", "--http1.1", "--tls-max", "1.2"));
    }
}
