namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// What is known of that which comes on a descriptor. The kernel reports a change once (EPOLLET, epoll(7)): what it reported is remembered here until a receive
/// finds it used up.
/// </summary>
internal struct Incoming
{
    private Waiting _waiting;
    private Beside _beside;

    /// <summary>In ascending order of what a receive will find.</summary>
    private enum Waiting : byte
    {
        /// <summary>The last receive found nothing more, and nothing has been reported since.</summary>
        Nothing,

        /// <summary>Nothing has been reported, and no receive has asked.</summary>
        Untried,

        /// <summary>Something was reported, and no receive has found it used up.</summary>
        Something,

        /// <summary>Bytes were reported, and nobody has received since.</summary>
        Data,
    }

    /// <summary>What has ever been reported beside bytes, each with those before.</summary>
    private enum Beside : byte
    {
        Nothing,
        Ending,
        Urgent,
    }

    /// <summary>Of an accepted connection: a client's first bytes often come with it, and are received before epoll has told of them.</summary>
    public static Incoming Untried => new() { _waiting = Waiting.Untried };

    /// <summary>Whether a receive may find something.</summary>
    public readonly bool IsWorthATry => _waiting != Waiting.Nothing;

    /// <summary>Whether something has been reported that no receive has found used up.</summary>
    public readonly bool IsReported => _waiting >= Waiting.Something;

    /// <summary>Whether bytes are there for certain, and nothing was ever reported beside them.</summary>
    public readonly bool IsCertainlyData => _waiting == Waiting.Data && _beside == Beside.Nothing;

    /// <summary>Whether bytes are all that was ever reported: an end, a fault or urgent data has no further edge of its own.</summary>
    public readonly bool IsDataAlone => _beside == Beside.Nothing;

    /// <summary>Whether urgent data has been reported: a receive stops before its mark (tcp(7)).</summary>
    public readonly bool HasUrgent => _beside == Beside.Urgent;

    public void ReportData() => _waiting = Waiting.Data;

    /// <summary>An end or a fault was reported.</summary>
    public void ReportEnding() => Report(Beside.Ending);

    public void ReportUrgent() => Report(Beside.Urgent);

    /// <summary>A receive was answered: what is left of what was reported it does not say.</summary>
    public void NoteReceive() => _waiting = IsReported ? Waiting.Something : Waiting.Nothing;

    /// <summary>Until something is reported there is nothing to receive.</summary>
    public void UseUp() => _waiting = Waiting.Nothing;

    private void Report(Beside what)
    {
        if (_beside < what)
            _beside = what;
        if (_waiting < Waiting.Something)
            _waiting = Waiting.Something;
    }
}
