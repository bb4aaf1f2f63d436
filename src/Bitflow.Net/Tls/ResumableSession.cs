namespace Bitflow.Net.Tls;

/// <summary>The session that a target gave last (RFC 8446 section 2.2), for its next connection to resume. Used from every loop.</summary>
internal sealed class ResumableSession
{
    private readonly Lock _gate = new();
    private nint _session;

    ~ResumableSession()
    {
        if (_session != 0)
            OpenSsl.FreeSession(_session);
    }

    /// <summary>Takes an owner's part in it.</summary>
    public void Keep(nint session) => Replace(session);

    /// <summary>Offers none from here on, until there is another.</summary>
    public void Forget() => Replace(0);

    /// <summary>Has a client offer it, where there is one.</summary>
    /// <param name="isJudged">Whether the certificate that began it is judged again: one that has expired would be refused.</param>
    /// <returns>Whether there is one to offer. One that the library has found unfit is not; the handshake is a full one then.</returns>
    public bool OfferTo(nint ssl, bool isJudged)
    {
        lock (_gate)
            return _session != 0 && !(isJudged && OpenSsl.HasExpired(_session)) && OpenSsl.SetSession(ssl, _session) == 1;
    }

    private void Replace(nint session)
    {
        nint before;
        lock (_gate)
        {
            before = _session;
            _session = session;
        }

        if (before != 0)
            OpenSsl.FreeSession(before);
    }
}
