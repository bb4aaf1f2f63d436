using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Bench.Proxies;

/// <summary>A directory for one run: an authority, a certificate of both server names, configurations. Removed at the end.</summary>
internal sealed class Workshop : IDisposable
{
    public Workshop()
    {
        // Workers that gave up root must still reach their files.
        File.SetUnixFileMode(Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        MakeCertificates();
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("bitflow-bench-").FullName;

    public string Authority => Path.Combine(Root, "authority.pem");

    public string Chain => Path.Combine(Root, "server.pem");

    public string Key => Path.Combine(Root, "server.key");

    /// <summary>Key and certificate in one file, as HAProxy and hitch want them.</summary>
    public string Both => Path.Combine(Root, "server.both.pem");

    /// <summary>A template with every <c>{{name}}</c> filled in; a name without a value is a fault of the bench.</summary>
    public static string Fill(string text, IReadOnlyDictionary<string, string> values)
    {
        foreach ((string name, string value) in values)
            text = text.Replace("{{" + name + "}}", value, StringComparison.Ordinal);
        text = text.Replace("{{...}}", "", StringComparison.Ordinal);
        int left = text.IndexOf("{{", StringComparison.Ordinal);
        return left < 0 ? text : throw new BenchException($"nothing is known for {text[left..Math.Min(left + 30, text.Length)]}");
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    /// <summary>
    /// P-256 keys: with RSA the signature would be most of a handshake and hide how the proxies differ.
    /// </summary>
    private void MakeCertificates()
    {
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1);
        DateTimeOffset until = from.AddDays(30);
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var authorityRequest = new CertificateRequest("CN=Bench authority", authorityKey, HashAlgorithmName.SHA256);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using X509Certificate2 authority = authorityRequest.CreateSelfSigned(from, until);

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=a.bench.example", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("a.bench.example");
        names.AddDnsName("b.bench.example");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using X509Certificate2 server = request.Create(authority, from, until, RandomNumberGenerator.GetBytes(8));

        string keyText = key.ExportPkcs8PrivateKeyPem() + "\n";
        string chainText = server.ExportCertificatePem() + "\n";
        File.WriteAllText(Authority, authority.ExportCertificatePem() + "\n");
        File.WriteAllText(Key, keyText);
        File.WriteAllText(Chain, chainText);
        File.WriteAllText(Both, keyText + chainText);
    }

    public static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
