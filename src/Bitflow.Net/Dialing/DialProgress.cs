using System.Net;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Collections;

namespace Bitflow.Net.Dialing;

/// <summary>
/// Where an attempt stands: what it waits for and what it has found, for the record, and the connection that it is at. That is reset where the attempt is
/// given up, or where a share of its time is over, which is timed here.
/// </summary>
internal abstract class DialProgress(EventLoop loop, TargetModel target, ICaller caller) : LoopTimer
{
    private static readonly DialWait TargetName = DialWait.NewName(Hop.Target);
    private static readonly DialWait ProxyName = DialWait.NewName(Hop.Proxy);
    private static readonly DialWait TargetConnection = DialWait.NewConnection(Hop.Target);
    private static readonly DialWait ProxyConnection = DialWait.NewConnection(Hop.Proxy);

    private readonly Instant _began = loop.Now;
    private Gate _gate = new();
    private Connection? _current;
    private bool _isGivenUp;
    private bool _isShareOver;
    private Instant _shareEnd = Instant.Never;
    private volatile DialWait _waiting = TargetConnection;

    public EventLoop Loop => loop;

    public TargetModel Target => target;

    public ICaller Caller => caller;

    /// <summary>What the names of the target and of its SOCKS5 proxy resolved to so far, for the record.</summary>
    public FSharpList<Resolved> Resolved { get; private set; } = FSharpList<Resolved>.Empty;

    /// <summary>The address that was connected to last, whether or not it answered; unknown where it came, or has come, to none.</summary>
    public Endpoint Tried { get; protected set; } = Endpoint.Unknown;

    public Duration Age => loop.Now - _began;

    /// <summary>What is waited for now, or was when the attempt ended.</summary>
    public DialWait Waiting => _waiting;

    /// <summary>Whether the target may be offered a session that it began.</summary>
    public bool MayResume { get; private set; } = true;

    public bool IsGivenUp
    {
        get
        {
            using (_gate.Pass())
                return _isGivenUp;
        }
    }

    public void WaitsForName(Hop hop) => _waiting = hop.IsProxy ? ProxyName : TargetName;

    public void WaitsForConnection(Hop hop, Endpoint remote)
    {
        Tried = remote;
        _waiting = hop.IsProxy ? ProxyConnection : TargetConnection;
    }

    public void WaitsForSocksAnswer(string during) => _waiting = DialWait.NewSocksAnswer(during);

    public void WaitsForHeader() => _waiting = DialWait.Header;

    public void WaitsForHandshake() => _waiting = DialWait.Handshake;

    public void ResumesNoMore() => MayResume = false;

    /// <summary>A name was resolved to these. Two lookups may come back at once, on two threads of the pool.</summary>
    public void Learn(string name, IReadOnlyList<IPAddress> addresses)
    {
        FSharpList<Resolved> found = ListModule.OfSeq([new Resolved(name, ListModule.OfSeq(addresses))]);
        using (_gate.Pass())
            Resolved = ResolvedModule.Then(Resolved, found);
    }

    /// <summary>The attempt is at this connection from now on.</summary>
    /// <returns>False where it is given up, or the share is over; the connection has been reset then.</returns>
    public bool TryHold(Connection connection)
    {
        using (_gate.Pass())
        {
            _current = connection;
            if (!_isGivenUp && !_isShareOver)
                return true;
        }

        connection.Abort();
        return false;
    }

    /// <summary>Ends the attempt: what it was doing fails, and a connection it made is reset.</summary>
    public void Abort()
    {
        Connection? current;
        using (_gate.Pass())
        {
            _isGivenUp = true;
            current = _current;
        }

        loop.Disarm(this);
        current?.Abort();
    }

    public override void Fire(Instant now)
    {
        Connection? current;
        using (_gate.Pass())
        {
            // A share that ended meanwhile is not this one.
            if (now < _shareEnd)
                return;
            _isShareOver = true;
            current = _current;
        }

        current?.Abort();
    }

    /// <summary>The attempt has time until then for what it does before <see cref="EndShare"/>.</summary>
    protected void BeginShare(Instant end)
    {
        using (_gate.Pass())
            _shareEnd = end;
        loop.Arm(this, end);
    }

    /// <returns>Whether a share was begun whose time was over before, and the attempt is not given up.</returns>
    protected bool EndShare()
    {
        loop.Disarm(this);
        using (_gate.Pass())
        {
            bool wasOver = _isShareOver && !_isGivenUp;
            _isShareOver = false;
            _shareEnd = Instant.Never;
            return wasOver;
        }
    }
}
