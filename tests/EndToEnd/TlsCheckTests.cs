using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>Certificates and keys that cannot be used end `check` and the start alike, with status 2 and the file's name.</summary>
public sealed class TlsCheckTests
{
    private static readonly IssuedCertificate Good = TestAuthority.Trusted.Issue("a.example");

    private static string Config(string entries, string options = "", string target = "a.example") =>
        $"""
        server:
          proxies:
            - name: web
              listener: {"{"} address: '127.0.0.1:0', tls_context: {"{"} certificates: [ {entries} ] {"}"} {"}"}
              targets: [ {"{"} name: '{target}', address: '127.0.0.1:1' {"}"} ]
        {options}
        """;

    private static async Task<(int Status, string Errors)> RunAsync(string config, bool check)
    {
        string path = TestAuthority.Trusted.Write($"{Guid.NewGuid():N}.yaml", config);
        string[] arguments = check ? ["check", "--config", path] : ["--config", path];
        (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, arguments);
        return (status, errors);
    }

    [Theory]
    [InlineData("missing certificate", "there is no such file")]
    [InlineData("missing key", "there is no such file")]
    [InlineData("another's key", "does not belong to the first certificate")]
    [InlineData("another kind of key", "it holds an RSA key, and the first certificate of")]
    [InlineData("no key in it", "it holds no private key")]
    [InlineData("no certificate in it", "it holds no certificate")]
    [InlineData("encrypted key", "encrypted")]
    [InlineData("garbage", "cannot be read")]
    [InlineData("too weak", "ee key too small; renew it with a key of 2048 bits (RSA) or 256 (ECDSA)")]
    public async Task A_file_that_cannot_be_used_is_named_by_check_and_start_alike(string flaw, string words)
    {
        string certificate = Good.File, key = Good.Key;
        switch (flaw)
        {
            case "missing certificate":
                certificate = "/nowhere/a.pem";
                break;
            case "missing key":
                key = "/nowhere/a.key";
                break;
            case "another's key":
                key = TestAuthority.Trusted.Issue("b.example").Key;
                break;
            case "another kind of key":
                key = TestAuthority.Trusted.Issue("b.example", rsa: true).Key;
                break;
            case "no key in it":
                key = Good.File;
                break;
            case "no certificate in it":
                certificate = Good.Key;
                break;
            case "encrypted key":
                key = TestAuthority.Trusted.Write("encrypted.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----");
                break;
            case "too weak":
                IssuedCertificate weak = TestAuthority.Trusted.Issue("weak.example", rsa: true, rsaBits: 1024);
                (certificate, key) = (weak.File, weak.Key);
                break;
            default:
                certificate = TestAuthority.Trusted.Write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
                break;
        }

        foreach (bool check in new[] { true, false })
        {
            (int status, string errors) = await RunAsync(Config($"{{ key: '{key}', certificate: '{certificate}' }}"), check);
            Assert.Equal(2, status);
            Assert.Contains(words, errors, StringComparison.Ordinal);
            Assert.Contains(flaw.Contains("key", StringComparison.Ordinal) ? key : certificate, errors, StringComparison.Ordinal);
            Assert.Contains("tls_context.certificates[0]", errors, StringComparison.Ordinal);
        }
    }

    /// <summary>As secrets come from a manager of secrets: by a pipe, once. More than one proxy may name it.</summary>
    [Fact]
    public async Task A_key_that_can_be_read_but_once_will_do()
    {
        string key = Path.Combine(Path.GetTempPath(), $"bitflow-key-{Guid.NewGuid():N}");
        await NamedPipe.MakeAsync(key);
        Task writing = Task.Run(() => File.WriteAllText(key, File.ReadAllText(Good.Key)));
        string entry = $"{{ key: '{key}', certificate: '{Good.File}' }}";
        (int status, string errors) = await RunAsync(Config(entry) + $"\n    - {{ name: second, listener: {{ address: '127.0.0.1:2', tls_context: {{ certificates: [ {entry} ] }} }}, targets: [ {{ name: a.example, address: '127.0.0.1:9' }} ] }}", check: true);
        Assert.Equal((0, ""), (status, errors));
        await writing;
        File.Delete(key);
    }

    [Fact]
    public async Task What_is_doubtful_is_a_warning()
    {
        IssuedCertificate expired = TestAuthority.Trusted.Issue("a.example", validFor: TimeSpan.FromHours(-1));
        string disordered = TestAuthority.Trusted.Write(
            "disordered.pem", File.ReadAllText(Good.Alone) + File.ReadAllText(TestAuthority.Trusted.RootFile) + File.ReadAllText(TestAuthority.Trusted.IntermediateFile));
        foreach ((string entry, string options, string words) in new[]
        {
            (expired.Entry, "", "the certificate expired on"),
            ($"{{ key: '{Good.Key}', certificate: '{disordered}' }}", "", "certificate 1 of the file was not issued by the one after it"),
            (Good.Entry, "      options: { connection_load_balancer: sni }", "no target answers to the certificate's name a.example"),
            (Good.Entry, "      options: { connection_load_balancer: sni }", "tls_context.certificates: no certificate has the name \"b.example\" of a target"),
            ($"{Good.Entry}, {Good.Entry}", "", $"tls_context.certificates[1].certificate: {Good.File}: the certificate is never shown: certificates above have all of its names"),
        })
        {
            (int status, string errors) = await RunAsync(Config(entry, options, options.Length > 0 ? "b.example" : "a.example"), check: true);
            Assert.Equal(0, status);
            Assert.Contains(words, errors, StringComparison.Ordinal);
        }
    }
}
