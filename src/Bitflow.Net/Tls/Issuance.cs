namespace Bitflow.Net.Tls;

/// <summary>
/// Who of a file's certificates issued whom: by name, and where several have the name (one that was renewed, or certified by two), by signature. Where the TLS library is not there, by the bytes of
/// names alone.
/// </summary>
internal sealed class Issuance : IDisposable
{
    private readonly IReadOnlyList<EncodedCertificate> _all;
    private readonly nint[]? _read;

    /// <param name="all">In the file's order; the first is the one that is shown.</param>
    public Issuance(IReadOnlyList<EncodedCertificate> all)
    {
        _all = all;
        if (OpenSsl.IsAvailable)
            _read = [.. all.Select(static certificate => OpenSsl.ReadCertificate(certificate.Encoded.Span))];
    }

    /// <summary>
    /// What is sent behind the first, by place in the file: each with those that issued it behind it, as peers expect them (RFC 8446 section 4.4.2), whatever their order in the file. An authority
    /// that signed itself is left out: a peer has it, or does not trust it.
    /// </summary>
    public IReadOnlyList<int> Chain()
    {
        var left = new List<int>();
        for (int place = 1; place < _all.Count; place++)
        {
            if (!IsNamed(place, place) || (_read is not null && !HasSigned(place, place)))
                left.Add(place);
        }

        List<int> chain = [0];
        for (int i = 0; i < chain.Count; i++)
        {
            foreach (int issuer in IssuersOf(chain[i], left))
            {
                left.Remove(issuer);
                if (chain.TrueForAll(place => !_all[place].Encoded.Span.SequenceEqual(_all[issuer].Encoded.Span)))
                    chain.Add(issuer);
            }
        }

        return chain[1..];
    }

    /// <summary>The first, counted from 1, behind which stands one that issued none before it; 0 where there is none.</summary>
    public int BreaksAfter()
    {
        for (int place = 1; place < _all.Count; place++)
        {
            int issued = 0;
            while (issued < place && !IsNamed(place, issued))
                issued++;
            if (issued == place)
                return place;
        }

        return 0;
    }

    public void Dispose()
    {
        foreach (nint certificate in _read ?? [])
            OpenSsl.FreeCertificate(certificate);
    }

    /// <summary>All that have signed it; the first of its issuer's name where a signature is of a kind that cannot be verified here.</summary>
    private List<int> IssuersOf(int place, List<int> among)
    {
        List<int> named = among.FindAll(issuer => IsNamed(issuer, place));
        List<int> signed = named.FindAll(issuer => HasSigned(issuer, place));
        return signed.Count > 0 ? signed : named.Count > 0 ? named[..1] : [];
    }

    private bool IsNamed(int issuer, int place) => _read is null ? _all[place].IsIssuedBy(_all[issuer]) : OpenSsl.IsNamedIssuer(_read[issuer], _read[place]);

    private bool HasSigned(int issuer, int place) => _read is not null && OpenSsl.HasSigned(_read[issuer], _read[place]);
}
