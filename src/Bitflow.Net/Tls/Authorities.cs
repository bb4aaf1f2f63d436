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

    private readonly X509Certificate2Collection _own;
    private readonly Oid _usage;
    private readonly bool _system;

    private Authorities(X509Certificate2Collection own, string usage, bool system)
    {
        _own = own;
        _usage = new Oid(usage);
        _system = system;
    }

    /// <summary>All authorities of a listener form one set, which alone decides over clients.</summary>
    public static Authorities OfListener(X509Certificate2Collection own) => new(own, ClientAuthentication, system: false);

    /// <summary>A target's authorities are added to the system's.</summary>
    public static Authorities OfTarget(X509Certificate2Collection own) => new(own, ServerAuthentication, system: true);

    /// <summary>How SslStream is to build the chain that it hands to its callback.</summary>
    public X509ChainPolicy NewPolicy() => NewPolicy(_own.Count == 0 && _system);

    /// <summary>Judges the chain that SslStream has built by <see cref="NewPolicy()"/>.</summary>
    public PeerFinding Examine(X509Certificate? certificate, X509Chain? chain, bool isForName)
    {
        if (certificate is null || chain is null)
            return new PeerFinding(false, false, isForName, isForUse: true, FSharpList<string>.Empty);
        bool system = _own.Count == 0 && _system;
        if (!IsAnchored(chain, system) && _system && !system)
        {
            using var second = new X509Chain { ChainPolicy = NewPolicy(system: true) };
            foreach (X509ChainElement element in chain.ChainElements)
                second.ChainPolicy.ExtraStore.Add(element.Certificate);
            second.ChainPolicy.ExtraStore.AddRange(chain.ChainPolicy.ExtraStore);
            second.Build(chain.ChainElements[0].Certificate);
            return Finding(second, system: true, isForName);
        }

        return Finding(chain, system, isForName);
    }

    /// <summary>Judges a certificate by the chain that it and what was sent with it make.</summary>
    public PeerFinding Examine(X509Certificate2? certificate, X509Certificate2Collection sent, bool isForName)
    {
        if (certificate is null)
            return Examine(null, (X509Chain?)null, isForName);
        using var chain = new X509Chain { ChainPolicy = NewPolicy() };
        chain.ChainPolicy.ExtraStore.AddRange(sent);
        chain.Build(certificate);
        return Examine(certificate, chain, isForName);
    }

    private PeerFinding Finding(X509Chain chain, bool system, bool isForName)
    {
        bool isForUse = true;
        var problems = new List<string>();
        foreach (X509ChainStatus status in chain.ChainStatus)
        {
            // The platform's words for it ("invalid policy") name nothing that is to be found in a certificate.
            if (status.Status == X509ChainStatusFlags.NotValidForUsage)
                isForUse = false;
            else if (status.Status is not (X509ChainStatusFlags.NoError or X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain))
                problems.Add(status.StatusInformation.Trim());
        }

        return new PeerFinding(true, IsAnchored(chain, system), isForName, isForUse, ListModule.OfSeq(problems.Distinct()));
    }

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
        policy.ApplicationPolicy.Add(_usage);
        if (!system)
        {
            policy.CustomTrustStore.AddRange(_own);
            policy.ExtraStore.AddRange(_own);
        }

        return policy;
    }

    /// <summary>Whether the chain reaches an authority: one of the system's, or any of ours wherever it stands.</summary>
    private bool IsAnchored(X509Chain chain, bool system)
    {
        if (system)
            return !chain.ChainStatus.Any(s => s.Status is X509ChainStatusFlags.UntrustedRoot or X509ChainStatusFlags.PartialChain);
        foreach (X509ChainElement element in chain.ChainElements)
        {
            foreach (X509Certificate2 authority in _own)
            {
                if (element.Certificate.RawDataMemory.Span.SequenceEqual(authority.RawDataMemory.Span))
                    return true;
            }
        }

        return false;
    }
}
