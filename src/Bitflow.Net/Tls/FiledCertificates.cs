using Bitflow.Domain;

namespace Bitflow.Net.Tls;

/// <summary>A file's certificates, compared by the TLS library; where that is not there, by the bytes of their names alone.</summary>
internal sealed class FiledCertificates : IFiledCertificates, IDisposable
{
    private readonly IReadOnlyList<EncodedCertificate> _all;
    private readonly nint[]? _read;

    /// <param name="all">In the file's order; the first is the one that is shown.</param>
    public FiledCertificates(IReadOnlyList<EncodedCertificate> all)
    {
        _all = all;
        if (!OpenSsl.IsAvailable)
            return;

        // A plain loop: of a query for numbers the code is compiled at every start (decision 10).
        _read = new nint[all.Count];
        for (int i = 0; i < all.Count; i++)
            _read[i] = OpenSsl.ReadCertificate(all[i].Encoded.Span);
    }

    public int Count => _all.Count;

    public bool IsNamedIssuer(int issuer, int certificate) =>
        _read is null ? _all[certificate].IsIssuedBy(_all[issuer]) : OpenSsl.IsNamedIssuer(_read[issuer], _read[certificate]);

    public Signed HasSigned(int issuer, int certificate) => _read is null ? Signed.Unknown : OpenSsl.HasSigned(_read[issuer], _read[certificate]);

    public bool AreSame(int one, int other) => _all[one].Encoded.Span.SequenceEqual(_all[other].Encoded.Span);

    public void Dispose()
    {
        foreach (nint certificate in _read ?? [])
            OpenSsl.FreeCertificate(certificate);
    }
}
