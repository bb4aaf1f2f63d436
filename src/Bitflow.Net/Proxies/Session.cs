using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Observing;
using Bitflow.Net.Relay;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Proxies;

/// <summary>
/// One client's connection, from accept until nothing of it is left. It does what the steps of its life say and reports what happens; every decision is the
/// core's.
/// </summary>
internal sealed class Session : LifeFollower, IRelayObserver, ICaller
{
    private readonly ISessionObserver _observer;
    private readonly Dialer _dialer;
    private readonly Preface _preface;

    private Introduction? _introduction;
    private DialAttempt? _attempt;
    private Connection? _target;
    private byte[]? _announcement;
    private string? _failure;
    private TaskCompletionSource? _clientMayGoOn;
    private bool _clientReading;
    private bool _clientAwaited;
    private bool _clientResetWatched;
    private bool _targetResetWatched;
    private Lingering? _lingering;
    private TaskCompletionSource? _farewellCut;
    private bool _isForced;
    private bool _isSettled;
    private int _released;

    /// <summary>Neighbours in the list of its loop; owned by <see cref="ProxyShare"/>.</summary>
    internal Session? Next;
    internal Session? Previous;

    private Session(long id, ProxyModel model, ProxyState state, Dialer dialer, ISessionObserver observer, Connection client)
        : base(model, client)
    {
        Id = id;
        State = state;
        Client = client;
        _preface = new Preface(client);
        _dialer = dialer;
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
        LifeModule.RecordedReason(((Step.Ended)Life.Step).reason, ClientStamps.BytesFrom, TargetStamps.BytesFrom);

    public static void Begin(long id, ProxyModel model, ProxyState state, Dialer dialer, ISessionObserver observer, Connection client)
    {
        var session = new Session(id, model, state, dialer, observer, client);
        state.Add(session);
        session.Follow();
    }

    /// <summary>A forced end: both sides are reset, also where all that was left was a farewell. Comes from outside, and what it leads to belongs on the loop.</summary>
    /// <returns>Whether it was still there to be reset.</returns>
    public Task<bool> ShutdownAsync()
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Client.Loop.Post(() =>
        {
            Report(Event.Shutdown);
            bool wasThere = _released == 0 || CloseReason.Cause.IsShutdown;
            _isForced = true;
            Interlocked.MemoryBarrier();
            _farewellCut?.TrySetResult();
            done.SetResult(wasThere);
        });
        return done.Task;
    }

    public void OnRelay(Side side, RelayEvent what) => Report(Event.NewRelayed(side, what));

    public void OnHeld(Side side) => WatchReset(side);

    public override void Fire(Instant now)
    {
        if (Life.IsOver)
            return;
        ClockVerdict verdict = LookAtClock(now);
        if (verdict.IsOver)
            Report(Event.NewClockOver(verdict.side, verdict.cause));
        else if (verdict.at.Nanoseconds <= now.Nanoseconds)
            Report(_attempt is { } attempt ? Event.NewAttemptTimeUp(attempt.Waiting) : Event.TimeUp);
        else
            Client.Loop.Arm(this, verdict.at);
    }

    protected override void Begin(Life life)
    {
        if (life.Step is not Step.Attempt)
            AbandonAttempt(life);
        switch (life.Step)
        {
            case { IsAdmit: true }:
                bool within = State.TryEnter(life.Rules.ConnectionLimit, out int openBefore);
                OpenBefore = openBefore;
                Answer(life, Event.NewCounted(within));
                break;
            case { IsReadProxyHeader: true }:
                _ = AnswerFromClientAsync(life, Introduction.ReadProxyHeaderAsync());
                ArmUnlessAnswered(life);
                break;
            case { IsReadHello: true }:
                _ = AnswerFromClientAsync(life, Introduction.ReadHelloAsync());
                ArmUnlessAnswered(life);
                break;
            case { IsHandshake: true }:
                _ = AnswerFromClientAsync(life, HandshakeAsync(life));
                ArmUnlessAnswered(life);
                break;
            case { IsDrawTicket: true }:
                Answer(life, Event.NewTicket(State.DrawTicket()));
                break;
            case Step.Attempt attempt:
                if (DialBegan.Nanoseconds == 0)
                    DialBegan = Client.Loop.Now;
                AbandonAttempt(life);
                Run(AttemptAsync(life, attempt.plan));
                ArmUnlessAnswered(life);

                // A target nearby has answered by now: then nobody is watched meanwhile.
                if (IsAt(life))
                    EnsureClientLoop();
                break;
            case Step.Wait:
                Client.Loop.Arm(this, life.Deadline);
                EnsureClientLoop();
                break;
            case { IsRelay: true }:
                BeginRelay();
                break;
            case Step.Ended ended:
                End(ended);
                break;
        }
    }

    /// <summary>What is answered at once needs no timer. A step that comes after this one arms, or disarms, for itself.</summary>
    private void ArmUnlessAnswered(Life life)
    {
        if (IsAt(life))
            Client.Loop.Arm(this, life.Deadline);
    }

    /// <summary>Reports what was read from the client before dialling. No other receive from it may begin meanwhile. Guards itself.</summary>
    private async Task AnswerFromClientAsync(Life life, Task<Event?> reading)
    {
        try
        {
            _clientReading = true;
            Event? answer = await reading.ConfigureAwait(false);
            SayThatNobodyReceives();
            if (IsAt(life))
            {
                // An end or a reset behind bytes that nobody has taken is none of a client that said nothing.
                if (answer is { IsClientEnded: true } or { IsClientFailed: true } && !_preface.IsEmpty)
                    Report(Event.ClientSent);
                if (answer is not null)
                    Answer(life, answer);
            }
            else
            {
                // The time was up while the receive was pending.
                await LeaveRestAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }

    private Introduction Introduction => _introduction ??= new Introduction(_preface, Model.Tls.Listener);

    private async Task<Event?> HandshakeAsync(Life life)
    {
        TlsOutcome outcome = await Introduction.ShakeHandsAsync(Client, life.ServerName).ConfigureAwait(false);
        if (outcome.Connection is { } secured && !TakeOver(life, secured))
        {
            outcome.Forget();
            return null;
        }

        return Introduction.AnswerHandshake(outcome);
    }

    /// <summary>From here on the client speaks through this; false where the time was up before.</summary>
    private bool TakeOver(Life life, Connection secured)
    {
        lock (Gate)
        {
            if (!IsAt(life))
                return false;
            Client = secured;
            return true;
        }
    }

    /// <summary>The header that announces the client to a target, the same for every attempt; empty where none is sent.</summary>
    private ReadOnlyMemory<byte> Announcement(Life life)
    {
        if (Model.Config.Options.ProxyHeader is not { Value: { } version })
            return default;
        return _announcement ??= ProxyHeaderCodec.Encode(OutboundHeader.Choose(
            version, life.Peer, Client.Local, OptionModule.OfObj(_introduction?.Header),
            OptionModule.OfObj(_introduction?.Terms?.Describe(life.ServerName.IsSome ? life.ServerName.Value.Text : ""))));
    }

    Endpoint ICaller.Source => Life.Source;

    bool ICaller.IsDualStack => Model.Config.Options.DualStack;

    ReadOnlyMemory<byte> ICaller.Announcement => Announcement(Life);

    /// <summary>Whoever waits for the client to speak must not miss it.</summary>
    ReadOnlyMemory<byte> ICaller.FirstWords() => _clientAwaited ? default : _preface.FirstWords(Client);

    /// <summary>
    /// Takes from an attempt what is recorded of it, whatever it came to: one that is cut off ends after the next has begun, or after the record is written.
    /// </summary>
    private void AbandonAttempt(Life life)
    {
        DialAttempt? attempt = Interlocked.Exchange(ref _attempt, null);
        if (attempt is null)
            return;
        Resolved = ResolvedModule.Then(Resolved, attempt.Resolved);
        TargetEndpoint = attempt.Tried;
        if (!life.IsRelaying)
            attempt.Abort();
    }

    private async Task AttemptAsync(Life life, DialPlan plan)
    {
        var attempt = new DialAttempt(_dialer, Client.Loop, Model.Targets[plan.Target], this, life.Deadline);
        _attempt = attempt;
        ValueTask<DialOutcome> running = attempt.RunAsync();
        bool wasAtOnce = running.IsCompleted;
        DialOutcome outcome = await running.ConfigureAwait(false);
        if (outcome.Connection is not { } connection)
        {
            // A target nearby refuses at once, and a thousand attempts in a row must not keep the loop, and its clock, from everybody else.
            if (wasAtOnce)
                await Client.Loop.NextTurnAsync().ConfigureAwait(false);

            // First words that were read for this target are the next one's.
            if (!_preface.IsEmpty)
                Report(Event.ClientSent);
            Answer(life, Event.NewAttemptFailed(outcome.Fault!));
            return;
        }

        bool wanted;
        lock (Gate)
        {
            wanted = IsAt(life);
            if (wanted)
                _target = connection;
        }

        if (wanted)
        {
            _preface.Consume(outcome.WordsSent);
            ClientStamps.BytesFrom += outcome.WordsSent;
            TargetStamps.BytesTo += outcome.WordsSent;
            Settle();
            Answer(life, Event.Connected);
            return;
        }

        connection.Abort();
    }

    private void BeginRelay()
    {
        Instant now = Client.Loop.Now;
        RelayBegan = now;
        Model.Meter.Dialled(Life.LastTarget.Value, now - DialBegan);
        TargetEndpoint = _target!.Remote;
        ClientStamps.BeginRelay(Client, Model.Config.Listener.WriteTimeout);
        TargetStamps.BeginRelay(_target, TargetModel!.Config.WriteTimeout);
        ClientStamps.LastMoved = TargetStamps.LastMoved = now.Nanoseconds;
        ArmRelayClocks(now);
        Run(Pump.RunAsync(_target, Client, Side.Target, TargetStamps, ClientStamps, this, ReadOnlyMemory<byte>.Empty));
        if (_clientMayGoOn is not null)
            _clientMayGoOn.TrySetResult();
        else if (Life.IsRelaying)
            Run(PumpClientAsync());
        Client.WakeReader();
    }

    private Task PumpClientAsync() => Pump.RunAsync(Client, _target!, Side.Client, ClientStamps, TargetStamps, this, _preface.Take());

    private ClockVerdict LookAtClock(Instant now) =>
        LifeModule.Clock(Life, now, ClientStamps.Activity(Client, now), _target is null ? default : TargetStamps.Activity(_target, now));

    private void ArmRelayClocks(Instant now)
    {
        ClockVerdict verdict = LookAtClock(now);
        Client.Loop.Arm(this, verdict.IsLookAgain ? verdict.at : now);
    }

    /// <summary>While a target is waited for, the one method that receives from the client: it watches, then pumps.</summary>
    private void EnsureClientLoop()
    {
        if (_clientMayGoOn is not null)
            return;
        _clientMayGoOn = new TaskCompletionSource();
        Run(ClientLoopAsync());
    }

    private async Task ClientLoopAsync()
    {
        _clientReading = true;
        if (_preface.IsEmpty)
        {
            _clientAwaited = true;
            await Client.WaitReadableAsync().ConfigureAwait(false);
            _clientAwaited = false;
            if (!Life.IsRelaying && !Life.IsOver)
                Look();
        }
        else
        {
            Report(Event.ClientSent);
            WatchReset(Side.Client);
        }

        if (!Life.IsOver)
            await _clientMayGoOn!.Task.ConfigureAwait(false);
        if (Life.IsRelaying)
        {
            await PumpClientAsync().ConfigureAwait(false);
            return;
        }

        SayThatNobodyReceives();
        await LeaveRestAsync().ConfigureAwait(false);
    }

    /// <summary>Seen by whoever sends the client away, or he is seen by what follows this.</summary>
    private void SayThatNobodyReceives()
    {
        _clientReading = false;
        Interlocked.MemoryBarrier();
    }

    /// <summary>Where the client is being sent away, what it still sends is read there.</summary>
    private Task LeaveRestAsync() => _lingering?.TakeReceiving() ?? Task.CompletedTask;

    private void Look()
    {
        switch (Client.Look())
        {
            case Readiness.Data:
                Report(Event.ClientSent);
                WatchReset(Side.Client);
                break;
            case Readiness.Ended:
                Report(Event.ClientEnded);
                WatchReset(Side.Client);
                break;
            case Readiness.Reset:
                Report(Event.NewClientFailed(Client.Fault));
                break;
            default:
                // Woken for nothing: the relay will look again, or has begun.
                WatchReset(Side.Client);
                break;
        }
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

    private async Task PassEndAsync(Connection to, Side side)
    {
        IoFault fault = await to.EndAsync().ConfigureAwait(false);
        if (fault is not (IoFault.None or IoFault.Aborted))
            OnRelay(side, RelayEvents.OfSend(fault));
    }

    /// <summary>Nobody receives from this side any more, or not now, or not yet: a reset must be seen all the same.</summary>
    private void WatchReset(Side side)
    {
        ref bool watched = ref side == Side.Client ? ref _clientResetWatched : ref _targetResetWatched;
        if (watched)
            return;
        watched = true;

        // Nearly every connection is watched, and hardly ever with an answer: what would guard the watch costs as much as the watch.
        _ = WatchResetAsync(side);
    }

    /// <summary>Guards itself.</summary>
    private async Task WatchResetAsync(Side side)
    {
        Connection connection = side == Side.Client ? Client : _target!;
        try
        {
            IoFault fault = await connection.WaitResetAsync().ConfigureAwait(false);
            if (fault == IoFault.Aborted)
                return;

            // Should the side stop being received from, or be held, a new watch knows at once.
            (side == Side.Client ? ref _clientResetWatched : ref _targetResetWatched) = false;
            Report(Event.NewSideFailed(side, fault, connection.FailedBehindItsEnd));
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }

    private void End(Step.Ended ended)
    {
        EndedAt = Client.Loop.Now;
        _introduction?.Close();
        if (CloseReason is var reason && CloseReasonModule.IsOfBrokenTls(reason))
            _failure = (reason.Who.IsClient ? Client : _target)?.FaultDetail;
        Client.Loop.Disarm(this);
        Duration clientTimeout = Model.Config.Listener.WriteTimeout;
        Instant lifetimeEnd = LifeModule.LifetimeEnd(Life);
        switch (ended.ending)
        {
            case { IsOrderly: true } when Client.IsTls || _target is { IsTls: true }:
                ReleaseAfter(OrderlyEnding.EndAsync(Client, _target!, clientTimeout, TargetModel!.Config.WriteTimeout, lifetimeEnd));
                break;
            case { IsOrderly: true }:
                Release();
                break;
            case { IsResetTargetAfterDrain: true }:
                Client.Abort();
                ReleaseAfter(QueueDrain.ResetAsync(_target!, TargetModel!.Config.WriteTimeout, lifetimeEnd));
                break;
            case { IsResetClientAfterDrain: true }:
                _target!.Abort();
                ReleaseAfter(QueueDrain.ResetAsync(Client, clientTimeout, lifetimeEnd));
                break;
            case { IsLinger: true }:
                _target?.Abort();
                SendAway(ended.reason);
                break;
            default:
                Client.Abort();
                _target?.Abort();
                Release();
                break;
        }

        _clientMayGoOn?.TrySetResult();
    }

    private void SendAway(CloseReason reason)
    {
        TlsAlert? alert = TlsAlertModule.OfUnmatchedName(reason) is { IsSome: true } owed ? owed.Value : _introduction?.Alert;
        var lingering = new Lingering(Client);
        _lingering = lingering;
        Interlocked.MemoryBarrier();
        if (!_clientReading)
            Run(lingering.TakeReceiving());
        Run(lingering.TellAsync(alert));
        ReleaseAfter(lingering.Done);
    }

    private void ReleaseAfter(Task farewell)
    {
        if (farewell.IsCompletedSuccessfully)
            Release();
        else
            Run(WaitAndReleaseAsync(farewell));

        async Task WaitAndReleaseAsync(Task farewell)
        {
            // Who cuts it short sees this, or is seen.
            var cut = new TaskCompletionSource();
            _farewellCut = cut;
            Interlocked.MemoryBarrier();
            if (!_isForced && await Task.WhenAny(farewell, cut.Task).ConfigureAwait(false) == farewell)
            {
                await farewell.ConfigureAwait(false);
            }
            else
            {
                Client.Abort();
                _target?.Abort();
            }

            Release();
        }
    }

    /// <summary>It will open no descriptor more: it has its target, or never will.</summary>
    private void Settle()
    {
        if (!Interlocked.Exchange(ref _isSettled, true))
            _dialer.Settle();
    }

    /// <summary>The last act: nothing of the connection is left behind it.</summary>
    private void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) != 0)
            return;
        Client.Close();
        _target?.Close();
        Settle();
        if (Life.IsCounted)
            State.Leave();
        try
        {
            Account();
            _observer.OnEnded(this);
        }
        finally
        {
            // Last of all: a drain ends with the last of them, and what is said of it must have been said by then.
            State.Remove(this);
        }
    }

    private void Account()
    {
        if (HasRelayed)
            Model.Meter.Relayed(Life.LastTarget.Value, EndedAt - RelayBegan, ClientStamps.BytesFrom, TargetStamps.BytesFrom);
        Model.Meter.Closed(CloseReason);
        Model.Log?.Write(ConnectionRecords.Of(this));
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

    protected override void OnAttemptFailed(Life at, DialFault fault)
    {
        AttemptFailedAt = Client.Loop.Now;
        _observer.OnAttemptFailed(this, at, fault);
    }

    protected override void Fail(Exception e)
    {
        _failure = e.Message;
        _observer.OnInternalFault(this, e);
        Report(Event.InternalFault);

        // Where the end has not begun, whoever follows the life begins it.
        if (Life.IsOver && EndedAt.Nanoseconds != 0 && _released == 0)
        {
            Client.Abort();
            _target?.Abort();
            Release();
        }
    }
}
