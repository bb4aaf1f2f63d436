using Bitflow.Domain;
using Bitflow.Net.Files;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>
/// Loads the files of the TLS contexts of one proxy, and collects what is wrong with them instead of stopping at the first: `check` and
/// starting say all of it.
/// </summary>
/// <param name="path">Where the context stands in the configuration, `server.proxies[0].listener.tls_context` for example.</param>
/// <param name="sniTargets">The targets' names where the policy is `sni`.</param>
/// <param name="onPlatform">Whether the platform shakes hands, and so must be able to use what is shown.</param>
/// <param name="onChain">Told of every certificate that was loaded, or that could not be.</param>
internal sealed class TlsLoading(
    string path, NamedFiles named, DateTimeOffset now, FSharpOption<FSharpList<string>> sniTargets, bool onPlatform, List<TlsFinding> findings, Action? onChain)
{
    public DateTimeOffset Now { get; } = now;

    public FSharpOption<FSharpList<string>> SniTargets { get; } = sniTargets;

    /// <summary>Where an entry of `certificates` stands, counted from 0.</summary>
    public string Entry(int number) => $"{path}.certificates[{number}]";

    /// <summary>Null where it cannot be used; said among the findings.</summary>
    public CertificateChain? Chain(CertificateFiles files, string entryPath)
    {
        try
        {
            return CertificateChain.Load(files, named, byLibrary: OpenSsl.IsAvailable && !onPlatform);
        }
        catch (TlsFileException e)
        {
            findings.Add(new TlsFinding(IsError: true, entryPath, e.Message));
            return null;
        }
        finally
        {
            onChain?.Invoke();
        }
    }

    public void Authorities(FSharpOption<string>? authority, string entryPath, List<EncodedCertificate> into)
    {
        if (authority is not { Value: { } file })
            return;
        try
        {
            IReadOnlyList<EncodedCertificate> read = PemFile.Certificates(named, file);
            into.AddRange(read);
            Warn(entryPath + ".authority", file, CertificateChecks.AuthorityWarnings(
                Now, ListModule.OfSeq(read.Select(static (authority, index) => new IssuerFacts(index + 1, authority.NotBefore, authority.NotAfter)))));
        }
        catch (TlsFileException e)
        {
            findings.Add(new TlsFinding(IsError: true, entryPath + ".authority", e.Message));
        }
    }

    /// <summary>Says what is doubtful about a listener's certificates beside each other.</summary>
    public void WarnOfAll(ListenerTls config, IReadOnlyList<CertificateChain> certificates)
    {
        FSharpList<CertificateFacts> facts = ListModule.OfSeq(certificates.Select(static chain => chain.Facts));
        foreach ((int place, string why) in CertificateChecks.HardlyShown(facts))
            Warn(Entry(place) + ".certificate", config.Certificates[place].Shown.Certificate, ListModule.OfSeq([why]));
        if (SniTargets is { Value: { } targets })
            findings.AddRange(CertificateChecks.Uncovered(facts, targets).Select(doubt => new TlsFinding(IsError: false, path + ".certificates", doubt)));
    }

    public void Refuse(string entryPath, string file, string why) =>
        findings.Add(new TlsFinding(IsError: true, entryPath, $"{file}: {why}"));

    public void Warn(string entryPath, string file, FSharpList<string> warnings)
    {
        foreach (string warning in warnings)
            findings.Add(new TlsFinding(IsError: false, entryPath, $"{file}: {warning}"));
    }
}
