using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Observing;
using Bitflow.Net.Relay;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Proxies;

/// <summary>
/// One client's connection, from accept until nothing of it is left. It does what the steps of its life say and reports what happens; every decision is the
/// core's. Here is what is known of it and which step leads where; the other parts are the steps, in their order.
/// </summary>
internal sealed partial class Session : LifeFollower, IShell
{
    private readonly ISessionObserver _observer;
    private readonly Dialer _dialer;
    private readonly DescriptorGuard _descriptors;
    private readonly Preface _preface;
    private Connection? _target;
    private string? _failure;

    /// <summary>Neighbours in the list of its loop; owned by <see cref="ProxyShare"/>.</summary>
    internal Session? Next;
    internal Session? Previous;

    private Session(long id, ProxyModel model, ProxyState state, Dialer dialer, DescriptorGuard descriptors, ISessionObserver observer, Connection client)
        : base(model, client)
    {
        Id = id;
        State = state;
        Client = client;
        _preface = new Preface(client);
        _dialer = dialer;
        _descriptors = descriptors;
        _observer = observer;
        AcceptedAtUtc = DateTimeOffset.UtcNow;
    }

    /// <summary>Unique in this process.</summary>
    public long Id { get; }

    public ProxyState State { get; }

    /// <summary>The client's connection; from the end of a TLS handshake on, what TLS carries.</summary>
    public Connection Client { get; private set; }

    public Connection? Target => _target;

    public DateTimeOffset AcceptedAtUtc { get; }

    /// <summary>The target that was tried last; null before the first.</summary>
    public TargetModel? TargetModel => Life.LastTarget.IsSome ? Model.Targets[Life.LastTarget.Value] : null;

    public SideStamps ClientStamps { get; } = new();

    public SideStamps TargetStamps { get; } = new();

    /// <summary>Connections that were open when this one was admitted.</summary>
    public int OpenBefore { get; private set; }

    /// <summary>When the first attempt began, the last failed and the relay began; zero where that never happened.</summary>
    public Instant DialBegan { get; private set; }

    public Instant AttemptFailedAt { get; private set; }

    public Instant RelayBegan { get; private set; }

    public bool HasRelayed => RelayBegan.Nanoseconds != 0;

    public Instant EndedAt { get; private set; }

    /// <summary>Where the target's end of the connection is; where none was made, the address that was tried last, as far as one is known.</summary>
    public Endpoint TargetEndpoint { get; private set; } = Endpoint.Unknown;

    /// <summary>What the names of its targets, and of their SOCKS5 proxies, resolved to.</summary>
    public FSharpList<Resolved> Resolved { get; private set; } = FSharpList<Resolved>.Empty;

    /// <summary>What the inbound PROXY header said.</summary>
    public FSharpValueOption<ProxyOrigin> Header =>
        _introduction?.Header is { } header ? ProxyOrigin.Of(header) : FSharpValueOption<ProxyOrigin>.None;

    /// <summary>What TLS with the client came to; empty where there is none.</summary>
    public TlsFacts Tls => _introduction?.Facts ?? TlsFacts.None;

    /// <summary>What the system, the library or the peer said, where something failed that is no <see cref="DialFault"/>.</summary>
    public string Failure => _failure ?? _introduction?.Failure ?? "";

    /// <summary>Why it ended, as it is recorded everywhere.</summary>
    public CloseReason CloseReason =>
        LifeAccount.RecordedReason(((Step.Ended)Life.Step).reason, ClientStamps.BytesFrom, TargetStamps.BytesFrom);

    public static void Begin(long id, ProxyModel model, ProxyState state, Dialer dialer, DescriptorGuard descriptors, ISessionObserver observer, Connection client)
    {
        var session = new Session(id, model, state, dialer, descriptors, observer, client);
        state.Add(session);
        session.Follow();
    }

    public override void Fire(Instant now)
    {
        if (Life.IsOver)
            return;
        ClockVerdict verdict = LookAtClock(now);
        if (verdict.IsOver)
            Report(Event.NewClockOver(verdict.side, verdict.cause));
        else if (verdict.at <= now)
            Report(_attempt is { } attempt ? Event.NewAttemptTimeUp(attempt.Waiting) : Event.TimeUp);
        else
            Client.Loop.Arm(this, verdict.at);
    }

    protected override void Begin(Life life)
    {
        AbandonAttempt(life);
        Shell.BeginStep(this, life);
    }

    void IShell.Admit(Life life)
    {
        bool within = State.TryEnter(life.Rules.ConnectionLimit, out int openBefore);
        OpenBefore = openBefore;
        Answer(life, Event.NewCounted(within));
    }

    void IShell.ReadProxyHeader(Life life)
    {
        _ = AnswerFromClientAsync(life, Introduction.ReadProxyHeaderAsync());
        ArmUnlessAnswered(life);
    }

    void IShell.ReadHello(Life life)
    {
        _ = AnswerFromClientAsync(life, Introduction.ReadHelloAsync());
        ArmUnlessAnswered(life);
    }

    void IShell.Handshake(Life life)
    {
        _ = AnswerFromClientAsync(life, HandshakeAsync(life));
        ArmUnlessAnswered(life);
    }

    void IShell.DrawTicket(Life life) => Answer(life, Event.NewTicket(State.DrawTicket()));

    void IShell.Attempt(Life life, DialPlan plan)
    {
        if (DialBegan.Nanoseconds == 0)
            DialBegan = Client.Loop.Now;
        Run(AttemptAsync(life, plan));
        ArmUnlessAnswered(life);

        // A target nearby has answered by now: then nobody is watched meanwhile.
        if (IsAt(life))
            EnsureClientLoop();
    }

    void IShell.Wait(Life life)
    {
        Client.Loop.Arm(this, life.Deadline);
        EnsureClientLoop();
    }

    void IShell.Relay() => BeginRelay();

    void IShell.End(Ending ending) => End(ending);

    /// <summary>What is answered at once needs no timer. A step that comes after this one arms, or disarms, for itself.</summary>
    private void ArmUnlessAnswered(Life life)
    {
        if (IsAt(life))
            Client.Loop.Arm(this, life.Deadline);
    }

    protected override void CarryOut(RelayOrders orders)
    {
        if (orders.HasFlag(RelayOrders.EndTarget))
        {
            Run(PassEndAsync(_target!, Side.Target));
            WatchReset(Side.Client);
        }

        if (orders.HasFlag(RelayOrders.EndClient))
        {
            Run(PassEndAsync(Client, Side.Client));
            WatchReset(Side.Target);
        }

        if (orders.HasFlag(RelayOrders.StopClient))
            WatchReset(Side.Client);
        if (orders.HasFlag(RelayOrders.StopTarget))
            WatchReset(Side.Target);
        if (orders.HasFlag(RelayOrders.LookAtClocks))
            ArmRelayClocks(Client.Loop.Now);
    }

    /// <summary>Starts what goes on by itself; whatever it throws ends this connection alone.</summary>
    private void Run(Task work)
    {
        if (!work.IsCompletedSuccessfully)
            _ = Guard(work);

        async Task Guard(Task work)
        {
            try
            {
                await work.ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Fail(e);
            }
        }
    }

    protected override void OnAdmitted() => State.On(Client.Loop).Admit();

    protected override void OnAttemptFailed(Life at, DialFault fault, bool isLast)
    {
        AttemptFailedAt = Client.Loop.Now;
        Model.Meter.AttemptFailed(at.LastTarget.Value);
        Model.Targets[at.LastTarget.Value].Reach.Failed(fault);
        _observer.OnAttemptFailed(this, at, fault, isLast);
    }

    protected override void OnLeftWaiting(Life at)
    {
        if (_attempt is { } attempt)
            Model.Targets[at.LastTarget.Value].Reach.Left(attempt.Age, attempt.Waiting);
    }

    protected override void Fail(Exception e)
    {
        _failure = e.Message;
        _observer.OnInternalFault(this, e);
        Report(Event.InternalFault);

        // Where the end has not begun, whoever follows the life begins it.
        if (Life.IsOver && EndedAt.Nanoseconds != 0 && _released == 0)
        {
            ResetBoth();
            Release();
        }
    }
}
