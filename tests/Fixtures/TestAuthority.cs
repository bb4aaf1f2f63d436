using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// A root, an intermediate that it issued, and certificates of that, made anew for each run of the tests; their PEM files lie in a folder
/// that goes with the run.
/// </summary>
internal sealed class TestAuthority
{
    private static readonly Lazy<TestAuthority> TheTrusted = new(() => new TestAuthority("trusted"));
    private static readonly Lazy<TestAuthority> TheOther = new(() => new TestAuthority("other"));

    private readonly string _folder = Directory.CreateTempSubdirectory("bitflow-certificates-").FullName;
    private readonly X509Certificate2 _root;
    private readonly X509Certificate2 _intermediate;
    private readonly string _name;
    private int _count;

    private TestAuthority(string name)
    {
        _name = name;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(_folder, recursive: true);
        using ECDsa rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest($"CN={name} root", rootKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority());
        _root = root.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(9));
        RootFile = Write("root.pem", _root.ExportCertificatePem());
        _intermediate = NewIntermediate(TimeSpan.FromDays(8));
        IntermediateFile = Write("intermediate.pem", _intermediate.ExportCertificatePem());
    }

    /// <summary>The authority that the tests' configurations name.</summary>
    public static TestAuthority Trusted => TheTrusted.Value;

    /// <summary>One that nobody trusts.</summary>
    public static TestAuthority Other => TheOther.Value;

    public string RootFile { get; }

    public string IntermediateFile { get; }

    /// <summary>Issues a certificate, by the intermediate; its file holds the chain up to that.</summary>
    /// <param name="name">A DNS name or an address, the certificate's first; also its common name.</param>
    /// <param name="moreNames">How many names there are besides, beneath it: they make it large.</param>
    /// <param name="subject">Instead of the name.</param>
    /// <param name="curve">The object identifier of the key's curve, where it is not P-256.</param>
    /// <param name="issuerValidFor">Has an intermediate of its own issue it, good for so long.</param>
    /// <param name="alter">Changes the request.</param>
    /// <param name="alterIssuer">Has an intermediate of its own issue it, whose request this changes.</param>
    public IssuedCertificate Issue(
        string name,
        bool rsa = false,
        bool traditionalKey = false,
        string? usage = null,
        TimeSpan? validFor = null,
        string? issuerUrl = null,
        int moreNames = 0,
        X500DistinguishedName? subject = null,
        int rsaBits = 2048,
        string? curve = null,
        TimeSpan? issuerValidFor = null,
        Action<CertificateRequest>? alter = null,
        Action<CertificateRequest>? alterIssuer = null)
    {
        using AsymmetricAlgorithm key = rsa ? RSA.Create(rsaBits) : ECDsa.Create(curve is null ? ECCurve.NamedCurves.nistP256 : ECCurve.CreateFromValue(curve));
        subject ??= new X500DistinguishedName($"CN={name}");
        CertificateRequest request = key is RSA rsaKey
            ? new(subject, rsaKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new(subject, (ECDsa)key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? ip))
            names.AddIpAddress(ip);
        else
            names.AddDnsName(name);
        for (int i = 0; i < moreNames; i++)
            names.AddDnsName($"{i}.{name}");
        request.CertificateExtensions.Add(names.Build());
        if (usage is not null)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        if (issuerUrl is not null)
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [issuerUrl]));
        DateTimeOffset end = DateTimeOffset.UtcNow + (validFor ?? TimeSpan.FromDays(7));
        byte[] serial = BitConverter.GetBytes(Interlocked.Increment(ref _count) + 1000);
        alter?.Invoke(request);
        X509Certificate2 issuer = issuerValidFor is null && alterIssuer is null ? _intermediate : NewIntermediate(issuerValidFor ?? TimeSpan.FromDays(8), alterIssuer);
        X509Certificate2 bare = request.Create(
            issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(issuer.GetECDsaPrivateKey()!), end.AddDays(-8), end, serial);
        string keyPem = key switch
        {
            RSA r when traditionalKey => r.ExportRSAPrivateKeyPem(),
            ECDsa e when traditionalKey => e.ExportECPrivateKeyPem(),
            _ => key.ExportPkcs8PrivateKeyPem(),
        };
        string file = $"{_count}-{name.Replace('*', '_').Replace(':', '_')}";
        X509Certificate2 certificate = key is RSA k ? bare.CopyWithPrivateKey(k) : bare.CopyWithPrivateKey((ECDsa)key);
        return new IssuedCertificate(
            certificate,
            [issuer],
            Write($"{file}.pem", bare.ExportCertificatePem() + "\n" + issuer.ExportCertificatePem()),
            Write($"{file}.key", keyPem),
            Write($"{file}-alone.pem", bare.ExportCertificatePem()));
    }

    private X509Certificate2 NewIntermediate(TimeSpan validFor, Action<CertificateRequest>? alter = null)
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={_name} intermediate", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(X509BasicConstraintsExtension.CreateForCertificateAuthority());
        alter?.Invoke(request);
        byte[] serial = BitConverter.GetBytes(Interlocked.Increment(ref _count) + 1000);
        return request.Create(_root, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow + validFor, serial).CopyWithPrivateKey(key);
    }

    public string Write(string file, string text)
    {
        string path = Path.Combine(_folder, file);
        File.WriteAllText(path, text + "\n");
        return path;
    }
}

/// <param name="File">The certificate and its issuer's.</param>
/// <param name="Alone">The certificate without its issuer's.</param>
internal sealed record IssuedCertificate(X509Certificate2 Certificate, X509Certificate2[] Chain, string File, string Key, string Alone)
{
    /// <summary>As an entry of a configuration's `certificates`.</summary>
    public string Entry => $"{{ key: '{Key}', certificate: '{File}' }}";
}
