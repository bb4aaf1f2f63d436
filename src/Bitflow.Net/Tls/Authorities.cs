using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Microsoft.FSharp.Collections;

namespace Bitflow.Net.Tls;

/// <summary>
/// Who decides over a peer's certificate: the authorities of the configuration, and for targets the system's too. Nothing is ever
/// fetched while a chain is built: a certificate may name a server that never answers.
/// </summary>
internal sealed class Authorities
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const string AnyUse = "2.5.29.37.0";

    private readonly IReadOnlyList<EncodedCertificate> _own;
    private readonly Lazy<X509Certificate2Collection> _forPlatform;
    private readonly string _usage;
    private readonly bool _system;
    private readonly TrustStore? _store;

    private Authorities(IReadOnlyList<EncodedCertificate> own, string usage, bool system)
    {
        _own = own;
        _forPlatform = new(() => [.. own.Select(static authority => authority.ForPlatform())]);
        _usage = usage;
        _system = system;
        _store = OpenSsl.IsAvailable ? new TrustStore(own) : null;
    }

    /// <summary>All authorities of a listener form one set, which alone decides over clients.</summary>
    public static Authorities OfListener(IReadOnlyList<EncodedCertificate> own) => new(own, ClientAuthentication, system: false);

    /// <summary>A target's authorities are added to the system's.</summary>
    public static Authorities OfTarget(IReadOnlyList<EncodedCertificate> own) => new(own, ServerAuthentication, system: true);

    /// <summary>How SslStream is to build the chain that it hands to its callback.</summary>
    public X509ChainPolicy NewPolicy() => NewPolicy(_own.Count == 0 && _system);

    /// <summary>Judges the chain that SslStream has built by <see cref="NewPolicy()"/>.</summary>
    public PeerFinding Examine(X509Certificate? certificate, X509Chain? chain, bool isForName)
    {
        if (certificate is null || chain is null)
            return new PeerFinding(false, false, isForName, isForUse: true, isOutOfDates: false, FSharpList<string>.Empty);
        bool system = _own.Count == 0 && _system;
        PeerFinding finding = Finding(chain, system, isForName);
        if (system || !_system || !PeerFindingModule.MayBeBettered(finding))
            return finding;
        using var second = new X509Chain { ChainPolicy = NewPolicy(system: true) };
        foreach (X509ChainElement element in chain.ChainElements)
            second.ChainPolicy.ExtraStore.Add(element.Certificate);
        second.ChainPolicy.ExtraStore.AddRange(chain.ChainPolicy.ExtraStore);
        second.Build(chain.ChainElements[0].Certificate);
        return PeerFindingModule.Better(finding, Finding(second, system: true, isForName));
    }

    /// <summary>Judges what a peer showed to the TLS library itself; null: nothing. The machine's authorities must be ready where they may decide.</summary>
    public PeerFinding Examine(ShownChain? shown, bool isForName)
    {
        if (shown is not { } chain)
            return Examine(null, null, isForName);
        TrustStore? machine = _system ? SystemAuthorities.Latest : null;
        if (_own.Count == 0 && machine is not null)
            return Verify(machine);
        PeerFinding finding = Verify(_store!);
        return machine is not null && PeerFindingModule.MayBeBettered(finding) ? PeerFindingModule.Better(finding, Verify(machine)) : finding;

        PeerFinding Verify(TrustStore store) => store.Verify(chain, _usage == ServerAuthentication ? OpenSsl.ServerUse : OpenSsl.ClientUse, isForName);
    }

    private PeerFinding Finding(X509Chain chain, bool system, bool isForName)
    {
        // The platform's own verdict on the use knows no certificates for any use.
        IEnumerable<string> problems = chain.ChainStatus
            .Where(static status => status.Status is not (X509ChainStatusFlags.NoError or X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain
                or X509ChainStatusFlags.NotValidForUsage))
            .Select(static status => status.StatusInformation.Trim());
        bool isForUse = chain.ChainElements.All(element => IsForUse(element.Certificate));
        X509Certificate2? anchor = system ? null : Anchor(chain);

        // Of the last of a chain that did not issue itself the platform does not ask whether it is valid now.
        bool hasExpired = anchor is not null && anchor.NotAfter < DateTime.Now;
        bool isToCome = anchor is not null && anchor.NotBefore > DateTime.Now;
        if (hasExpired)
            problems = problems.Append("certificate has expired");
        if (isToCome)
            problems = problems.Append("certificate is not yet valid");
        bool isOutOfDates = hasExpired || isToCome || chain.ChainStatus.Any(static status => status.Status.HasFlag(X509ChainStatusFlags.NotTimeValid));
        bool isAnchored = system ? !chain.ChainStatus.Any(static s => s.Status is X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain) : anchor is not null;
        return new PeerFinding(true, isAnchored, isForName, isForUse, isOutOfDates, ListModule.OfSeq(problems.Distinct()));
    }

    /// <summary>By its extended key usage (RFC 5280 section 4.2.1.12), where it has one.</summary>
    private bool IsForUse(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().All(usages => usages.EnhancedKeyUsages.Cast<Oid>().Any(use => use.Value == _usage || use.Value == AnyUse));

    private X509ChainPolicy NewPolicy(bool system)
    {
        var policy = new X509ChainPolicy
        {
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,

            // Who is trusted is judged afterwards, so that an intermediate authority can be an anchor of its own.
            VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority,
            TrustMode = system ? X509ChainTrustMode.System : X509ChainTrustMode.CustomRootTrust,
        };
        if (!system)
        {
            policy.CustomTrustStore.AddRange(_forPlatform.Value);
            policy.ExtraStore.AddRange(_forPlatform.Value);
        }

        return policy;
    }

    /// <summary>The first of the chain that is an authority of ours, wherever it stands; null where none is.</summary>
    private X509Certificate2? Anchor(X509Chain chain) =>
        chain.ChainElements.Select(static element => element.Certificate)
            .FirstOrDefault(shown => _own.Any(authority => shown.RawDataMemory.Span.SequenceEqual(authority.Encoded.Span)));
}
