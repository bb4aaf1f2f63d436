using System.Buffers;
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
/// One client's connection, from accept until nothing of it is left. It holds the current <see cref="Life"/>, does what its step says,
/// and reports what happens; every decision is the core's.
/// </summary>
/// <remarks>
/// Transitions are followed one after the other, by whoever reported first, so that a step is never begun after a later one. Its one
/// timer is this object itself.
/// </remarks>
internal sealed class Session : LoopTimer, IRelayObserver, ICaller
{
    private readonly ISessionObserver _observer;
    private readonly Dialer _dialer;
    private readonly Lock _gate = new();

    private Life _life;
    private RelayOrders _orders;
    private int _followedStage = -1;
    private bool _following;

    private DialAttempt? _attempt;
    private Connection? _target;
    private readonly Preface _preface;
    private ProxyHeader? _inboundHeader;
    private byte[]? _announcement;
    private HelloAnswer.Serve? _helloAnswer;
    private TlsTerms? _clientTerms;
    private TlsAlert? _alert;
    private TaskCompletionSource? _clientMayGoOn;
    private bool _clientReading;
    private bool _clientAwaited;
    private bool _clientResetWatched;
    private bool _targetResetWatched;

    private Connection? _draining;
    private Drain _drain;
    private OrderlyEnd? _orderlyEnd;
    private int _released;
    private int _lingering;

    /// <summary>Neighbours in the list of its loop; owned by <see cref="ProxyShare"/>.</summary>
    internal Session? Next;
    internal Session? Previous;

    private Session(long id, ProxyModel model, ProxyState state, Dialer dialer, ISessionObserver observer, Connection client)
    {
        Id = id;
        Model = model;
        State = state;
        Client = client;
        _preface = new Preface(client);
        _dialer = dialer;
        _observer = observer;
        AcceptedAtUtc = DateTimeOffset.UtcNow;
        _life = LifeModule.Start(model.Rules, client.Loop.Now, client.Remote, client.Local);
        model.Meter.Count(_life);
    }

    /// <summary>Unique in this process.</summary>
    public long Id { get; }

    public ProxyModel Model { get; }

    public ProxyState State { get; }

    /// <summary>The client's connection; from the end of a TLS handshake on, what TLS carries.</summary>
    public Connection Client { get; private set; }

    public Connection? Target => _target;

    public Life Life => _life;

    public DateTimeOffset AcceptedAtUtc { get; }

    /// <summary>The target that was tried last; null before the first.</summary>
    public TargetModel? TargetModel => _life.LastTarget < 0 ? null : Model.Targets[_life.LastTarget];

    public SideStamps ClientStamps { get; } = new();

    public SideStamps TargetStamps { get; } = new();

    /// <summary>Connections that were open when this one was admitted.</summary>
    public int OpenBefore { get; private set; }

    /// <summary>When the first attempt began and the relay began; zero where that never happened.</summary>
    public Instant DialBegan { get; private set; }

    public Instant RelayBegan { get; private set; }

    public Instant EndedAt { get; private set; }

    /// <summary>Where the target's end of the connection is; where none was made, the address that was tried last, as far as one is known.</summary>
    public Endpoint TargetEndpoint { get; private set; } = Endpoint.Unknown;

    /// <summary>What the names of its targets, and of their SOCKS5 proxies, resolved to.</summary>
    public FSharpList<Resolved> Resolved { get; private set; } = FSharpList<Resolved>.Empty;

    /// <summary>What the inbound PROXY header said.</summary>
    public HeaderSeen Header { get; private set; } = HeaderSeen.None;

    /// <summary>What TLS with the client came to; empty where there is none.</summary>
    public TlsFacts Tls { get; private set; } = TlsFacts.None;

    /// <summary>What the system, the library or the peer said, where something failed that is no <see cref="DialFault"/>.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>Why it ended, as it is recorded everywhere.</summary>
    public CloseReason CloseReason =>
        LifeModule.RecordedReason(((Step.Ended)_life.Step).reason, ClientStamps.BytesFrom, TargetStamps.BytesFrom);

    public static void Begin(long id, ProxyModel model, ProxyState state, Dialer dialer, ISessionObserver observer, Connection client)
    {
        var session = new Session(id, model, state, dialer, observer, client);
        state.Add(session);
        dialer.Owe();
        session.Follow();
    }

    /// <summary>A forced end: both sides are reset. Comes from outside, and what it leads to belongs on the loop.</summary>
    public void Shutdown() => Client.Loop.Post(() => Report(Event.Shutdown));

    public void OnRelay(Side side, RelayEvent what) => Report(Event.NewRelayed(side, what));

    public override void Fire(Instant now)
    {
        if (_draining is not null)
        {
            LookAtDrain(now);
            return;
        }

        if (_orderlyEnd is { } end)
        {
            LookAtOrderlyEnd(end, now);
            return;
        }

        if (_life.IsOver)
        {
            Release();
            return;
        }

        ClockVerdict verdict = LookAtClock(now);
        if (verdict.IsOver)
            Report(Event.NewClockOver(verdict.side, verdict.cause));
        else if (verdict.at.Nanoseconds <= now.Nanoseconds)
            Report(Event.TimeUp);
        else
            Client.Loop.Arm(this, verdict.at);
    }

    private void Report(Event what)
    {
        Life life;
        RelayOrders orders;
        lock (_gate)
        {
            MoveTo(LifeModule.Advance(_life, Client.Loop.Now, what));
            if (!TryFollow(out life, out orders))
                return;
        }

        Follow(life, orders);
    }

    /// <summary>Reports what answers a step; too late, it changes nothing.</summary>
    private void Answer(int stage, Event what)
    {
        Life life;
        RelayOrders orders;
        lock (_gate)
        {
            MoveTo(LifeModule.Answer(_life, stage, Client.Loop.Now, what));
            if (!TryFollow(out life, out orders))
                return;
        }

        Follow(life, orders);
    }

    private void MoveTo(Life next)
    {
        // Nothing happened, and the orders of this value were taken when it came.
        if (ReferenceEquals(next, _life))
            return;
        Model.Meter.Count(_life, next);

        // Orders belong to one value of the life, and are taken with it: the next report may come before they are carried out.
        _orders |= next.Orders;
        _life = next;
    }

    /// <summary>
    /// Takes what is new in the life, to be followed by the caller; false where nothing is, or where another follows and will see it. Under the gate.
    /// </summary>
    private bool TryFollow(out Life life, out RelayOrders orders)
    {
        life = _life;
        orders = _orders;
        if (_following || (life.Stage == _followedStage && orders == RelayOrders.None))
            return false;
        _orders = RelayOrders.None;
        return _following = true;
    }

    /// <summary>Follows what is new, where there is something.</summary>
    private void Follow()
    {
        Life life;
        RelayOrders orders;
        lock (_gate)
        {
            if (!TryFollow(out life, out orders))
                return;
        }

        Follow(life, orders);
    }

    /// <summary>Does what the life says until it says nothing new.</summary>
    private void Follow(Life life, RelayOrders orders)
    {
        while (true)
        {
            try
            {
                if (orders != RelayOrders.None && !life.IsOver)
                    CarryOut(orders);
                if (life.Stage != _followedStage)
                {
                    _followedStage = life.Stage;
                    Begin(life);
                }
            }
            catch (Exception e)
            {
                Fail(e);
            }

            lock (_gate)
            {
                _following = false;
                if (!TryFollow(out life, out orders))
                    return;
            }
        }
    }

    private void Begin(Life life)
    {
        if (life.Step is not Step.Attempt)
            AbandonAttempt(life);
        switch (life.Step)
        {
            case { IsAdmit: true }:
                bool within = State.TryEnter(life.Rules.ConnectionLimit, out int openBefore);
                OpenBefore = openBefore;
                if (within)
                    State.On(Client.Loop).Admit();
                Answer(life.Stage, Event.NewCounted(within));
                break;
            case { IsReadProxyHeader: true }:
                _ = AnswerFromClientAsync(life, ReadProxyHeaderAsync());
                ArmUnlessAnswered(life);
                break;
            case { IsReadHello: true }:
                _ = AnswerFromClientAsync(life, ReadHelloAsync());
                ArmUnlessAnswered(life);
                break;
            case { IsHandshake: true }:
                _ = AnswerFromClientAsync(life, HandshakeAsync(life));
                ArmUnlessAnswered(life);
                break;
            case { IsDrawTicket: true }:
                Answer(life.Stage, Event.NewTicket(State.DrawTicket()));
                break;
            case Step.Attempt attempt:
                if (DialBegan.Nanoseconds == 0)
                    DialBegan = Client.Loop.Now;
                AbandonAttempt(life);
                Run(AttemptAsync(life, attempt.plan));
                ArmUnlessAnswered(life);

                // A target nearby has answered by now: then nobody is watched meanwhile.
                if (_life.Stage == life.Stage)
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
                if (TlsAlertModule.OfUnmatchedName(ended.reason) is { IsSome: true } owed)
                    _alert = owed.Value;
                End(ended.ending);
                break;
        }
    }

    /// <summary>What is answered at once needs no timer. A step that comes after this one arms, or disarms, for itself.</summary>
    private void ArmUnlessAnswered(Life life)
    {
        if (_life.Stage == life.Stage)
            Client.Loop.Arm(this, life.Deadline);
    }

    /// <summary>Reports what was read from the client before dialling. No other receive from it may begin meanwhile. Guards itself.</summary>
    private async Task AnswerFromClientAsync(Life life, Task<Event?> reading)
    {
        try
        {
            _clientReading = true;
            Event? answer = await reading.ConfigureAwait(false);
            _clientReading = false;
            Interlocked.MemoryBarrier();
            if (_life.Stage == life.Stage)
            {
                if (answer is not null)
                    Answer(life.Stage, answer);
            }
            else if (_life.Step is Step.Ended { ending.IsLinger: true })
            {
                // The time was up while the receive was pending: the lingering was left to whoever reads.
                await LingerAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }

    private async Task<Event?> ReadProxyHeaderAsync()
    {
        while (true)
        {
            switch (ProxyHeaderCodec.Parse(_preface.Unread))
            {
                case Parse<ProxyHeader, ProxyHeaderFault>.Done done:
                    _preface.Consume(done.consumed);
                    _inboundHeader = done.value;
                    Header = HeaderSeen.Of(done.value);
                    return Events.OfHeader(done.value);
                case Parse<ProxyHeader, ProxyHeaderFault>.Rejected rejected:
                    Failure = ProxyHeaderFaultModule.Describe(rejected.fault);
                    return Event.HeaderMalformed;
            }

            IoResult received = await _preface.ReadMoreAsync(ProxyHeaderCodec.maxBytes).ConfigureAwait(false);
            switch (received.Fault)
            {
                case IoFault.None when !received.IsEnd:
                    continue;
                case IoFault.None when !_preface.HasReceived:
                    return Event.ClientEnded;
                case IoFault.None:
                    Failure = ProxyHeaderFaultModule.Describe(ProxyHeaderFault.NewEnded(_preface.Unread.Length));
                    return Event.HeaderMalformed;
                case IoFault.Aborted:
                    return null;
                default:
                    if (_preface.HasReceived)
                        Report(Event.ClientSent);
                    return Event.ClientReset;
            }
        }
    }

    /// <summary>The bytes of the hello stay in the preface: they are passed on, or replayed to TLS.</summary>
    private async Task<Event?> ReadHelloAsync()
    {
        int nextLook = 0;
        while (true)
        {
            int have = _preface.Unread.Length;
            if (have >= nextLook)
            {
                switch (ClientHelloModule.Parse(_preface.Unread))
                {
                    case Parse<ClientHello, HelloFault>.Done done:
                        return AnswerHello(done.value);
                    case Parse<ClientHello, HelloFault>.Rejected rejected:
                        Failure = HelloFaultModule.Describe(rejected.fault);
                        _alert = HelloFaultModule.Alert(rejected.fault) is { IsSome: true } alert ? alert.Value : null;
                        return Event.HelloMalformed;
                    case Parse<ClientHello, HelloFault>.NeedMore more:
                        nextLook = ClientHelloModule.NextLook(have, more.atLeast);
                        break;
                }
            }

            IoResult received = await _preface.ReadMoreAsync(ClientHelloModule.maxBytes).ConfigureAwait(false);
            if (received.Fault == IoFault.None && !received.IsEnd)
                continue;
            if (received.Fault == IoFault.Aborted)
                return null;
            if (have > 0)
                Report(Event.ClientSent);
            return received.IsEnd ? Event.ClientEnded : Event.ClientReset;
        }
    }

    private Event AnswerHello(ClientHello hello)
    {
        TlsOffer offer = TlsOfferModule.OfHello(hello);
        Tls = Tls with { AlpnOffer = Alpn.Shown(hello.ApplicationProtocols), Offer = offer };
        switch (Model.Tls.Listener?.Rules.Answer(offer, hello.ServerName, hello.ApplicationProtocols))
        {
            case HelloAnswer.Refuse refuse:
                Failure = refuse.reason;
                _alert = refuse.alert;
                return Event.NewHelloRefused(hello.ServerName);
            case HelloAnswer.Serve serve:
                _helloAnswer = serve;
                break;
        }

        return Event.NewHelloRead(hello.ServerName);
    }

    private async Task<Event?> HandshakeAsync(Life life)
    {
        TlsOutcome outcome = await Model.Tls.Listener!.AcceptAsync(Client, _preface.Take(), life.ServerName, _helloAnswer!).ConfigureAwait(false);
        if (outcome is { Connection: { } secured, Terms: { } terms })
        {
            lock (_gate)
            {
                if (_life.Stage == life.Stage)
                    Client = secured;
            }

            if (Client != secured)
            {
                outcome.Forget();
                return null;
            }

            Tls = Tls with { Version = terms.VersionText, Alpn = terms.Alpn, ClientCertificateSubject = terms.PeerSubject };
            _clientTerms = terms;
            return Event.HandshakeDone;
        }

        Failure = outcome.Detail;
        return outcome.Raw switch
        {
            IoFault.None or IoFault.TlsProtocol => Event.NewHandshakeFailed(outcome.IsCertificate),
            IoFault.Truncated => Event.ClientEnded,
            IoFault.Aborted => null,
            _ => Event.ClientReset,
        };
    }

    /// <summary>The header that announces the client to a target, the same for every attempt; empty where none is sent.</summary>
    private ReadOnlyMemory<byte> Announcement(Life life)
    {
        if (Model.Config.Options.ProxyHeader is not { Value: { } version })
            return default;
        return _announcement ??= ProxyHeaderCodec.Encode(OutboundHeader.Choose(
            version, life.Peer, Client.Local, OptionModule.OfObj(_inboundHeader),
            OptionModule.OfObj(_clientTerms?.Describe(life.ServerName.IsSome ? life.ServerName.Value.Text : ""))));
    }

    Endpoint ICaller.Source => _life.Source;

    bool ICaller.IsDualStack => Model.Config.Options.DualStack;

    ReadOnlyMemory<byte> ICaller.Announcement => Announcement(_life);

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
        DialOutcome outcome = await attempt.RunAsync().ConfigureAwait(false);
        if (outcome.Connection is not { } connection)
        {
            // An attempt that was given up tells nothing new.
            if (_life.Stage == life.Stage)
                _observer.OnAttemptFailed(this, outcome.Fault!);

            // First words that were read for this target are the next one's.
            if (!_preface.IsEmpty)
                Report(Event.ClientSent);
            Answer(life.Stage, Event.NewAttemptFailed(outcome.Fault!));
            return;
        }

        bool wanted;
        lock (_gate)
        {
            wanted = _life.Stage == life.Stage;
            if (wanted)
                _target = connection;
        }

        if (wanted)
        {
            _preface.Consume(outcome.WordsSent);
            ClientStamps.BytesFrom += outcome.WordsSent;
            TargetStamps.BytesTo += outcome.WordsSent;
            _dialer.Settle();
            Answer(life.Stage, Event.Connected);
            return;
        }

        connection.Abort();
    }

    private void BeginRelay()
    {
        Instant now = Client.Loop.Now;
        RelayBegan = now;
        Model.Meter.Dialled(_life.LastTarget, now - DialBegan);
        TargetEndpoint = _target!.Remote;
        Client.SetUserTimeout(Model.Config.Listener.WriteTimeout);
        _target.SetUserTimeout(TargetModel!.Config.WriteTimeout);
        ClientStamps.LastMoved = TargetStamps.LastMoved = now.Nanoseconds;
        ArmRelayClocks(now);
        Run(Pump.RunAsync(_target, Client, Side.Target, TargetStamps, ClientStamps, this, ReadOnlyMemory<byte>.Empty));
        if (_clientMayGoOn is not null)
            _clientMayGoOn.TrySetResult();
        else if (_life.IsRelaying)
            Run(PumpClientAsync());
        Client.WakeReader();
    }

    private Task PumpClientAsync() => Pump.RunAsync(Client, _target!, Side.Client, ClientStamps, TargetStamps, this, _preface.Take());

    private ClockVerdict LookAtClock(Instant now) =>
        LifeModule.Clock(_life, now, ClientStamps.Activity(Client), _target is null ? default : TargetStamps.Activity(_target));

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
            if (!_life.IsRelaying && !_life.IsOver)
                Look();
        }
        else
        {
            Report(Event.ClientSent);
            WatchReset(Side.Client);
        }

        if (!_life.IsOver)
            await _clientMayGoOn!.Task.ConfigureAwait(false);
        if (_life.IsRelaying)
        {
            await PumpClientAsync().ConfigureAwait(false);
            return;
        }

        _clientReading = false;
        if (_life.Step is Step.Ended { ending.IsLinger: true })
            await LingerAsync().ConfigureAwait(false);
    }

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
                Report(Event.ClientReset);
                break;
            default:
                // Woken for nothing: the relay will look again, or has begun.
                WatchReset(Side.Client);
                break;
        }
    }

    private void CarryOut(RelayOrders orders)
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
    }

    private async Task PassEndAsync(Connection to, Side side)
    {
        IoFault fault = await to.EndAsync().ConfigureAwait(false);
        if (fault is not (IoFault.None or IoFault.Aborted))
            OnRelay(side, RelayEvents.OfSend(fault, wasPending: false));
    }

    /// <summary>Nobody receives from this side any more, or not yet: a reset must be seen all the same.</summary>
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
            if (fault != IoFault.Aborted)
                OnResetSeen(side, fault);
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }

    private void OnResetSeen(Side side, IoFault fault)
    {
        if (!_life.IsRelaying)
        {
            Report(Event.ClientReset);
            return;
        }

        if (RelayLife.Receives(_life.Relay, side))
        {
            // The pump meets the reset behind the bytes that came before it. Should it stop receiving, a new watch knows at once.
            (side == Side.Client ? ref _clientResetWatched : ref _targetResetWatched) = false;
            return;
        }

        OnRelay(side, RelayEvents.OfReceive(fault, (side == Side.Client ? ClientStamps : TargetStamps).WritePending));
    }

    private void End(Ending ending)
    {
        EndedAt = Client.Loop.Now;
        if (_life.IsOver && CloseReason is { Phase.IsRelay: true, Cause.IsProtocol: true } reason)
            Failure = (reason.Who.IsClient ? Client : _target!).FaultDetail;
        Client.Loop.Disarm(this);
        switch (ending)
        {
            case { IsOrderly: true }:
                if (Client.IsTls || _target is { IsTls: true })
                    BeginOrderlyEnd();
                else
                    Release();
                break;
            case { IsResetTargetAfterDrain: true }:
                Client.Abort();
                BeginDrain(_target!, TargetModel!.Config.WriteTimeout);
                break;
            case { IsResetClientAfterDrain: true }:
                _target!.Abort();
                BeginDrain(Client, Model.Config.Listener.WriteTimeout);
                break;
            case { IsLinger: true }:
                _target?.Abort();
                BeginLinger();
                break;
            default:
                Client.Abort();
                _target?.Abort();
                Release();
                break;
        }

        _clientMayGoOn?.TrySetResult();
    }

    private void BeginDrain(Connection connection, Duration writeTimeout)
    {
        Instant now = Client.Loop.Now;
        _drain = Farewell.BeginDrain(writeTimeout, now);
        _draining = connection;
        LookAtDrain(now);
    }

    private void LookAtDrain(Instant now)
    {
        FSharpValueOption<Drain> again = Farewell.Drained(_drain, now, _draining!.UnsentBytes);
        if (again.IsSome)
        {
            _drain = again.Value;
            Client.Loop.Arm(this, _drain.LookAt);
            return;
        }

        _draining.Abort();
        Release();
    }

    /// <summary>TLS ends with close_notify, which must arrive: without it, what came before looks cut off.</summary>
    private void BeginOrderlyEnd()
    {
        // One after the other is begun before either is waited for: a slow side must not hold up the other.
        ValueTask<IoFault> clientEnds = Client.EndBeforeCloseAsync();
        ValueTask<IoFault> targetEnds = _target!.EndBeforeCloseAsync();
        if (clientEnds.IsCompletedSuccessfully && targetEnds.IsCompletedSuccessfully)
        {
            Release();
            return;
        }

        OrderlyEnd end = Farewell.BeginOrderlyEnd(Model.Config.Listener.WriteTimeout, TargetModel!.Config.WriteTimeout, Client.Loop.Now, UnsentBytes());
        _orderlyEnd = end;
        Client.Loop.Arm(this, end.LookAt);
        Run(AwaitBothAsync(clientEnds.AsTask(), targetEnds.AsTask()));

        async Task AwaitBothAsync(Task clientEnd, Task targetEnd)
        {
            await Task.WhenAll(clientEnd, targetEnd).ConfigureAwait(false);
            Client.Loop.Disarm(this);
            Release();
        }
    }

    private void LookAtOrderlyEnd(OrderlyEnd end, Instant now)
    {
        FSharpValueOption<OrderlyEnd> again = Farewell.Ended(end, now, UnsentBytes());
        if (again.IsSome)
        {
            _orderlyEnd = again.Value;
            Client.Loop.Arm(this, again.Value.LookAt);
            return;
        }

        Release();
    }

    private int UnsentBytes() => Client.UnsentBytes + _target!.UnsentBytes;

    private void BeginLinger()
    {
        Client.Loop.Arm(this, Farewell.LingerUntil(Client.Loop.Now));
        Run(EndClientAsync());

        async Task EndClientAsync()
        {
            if (_alert is not null && !Client.IsTls)
                await Client.SendAllAsync(TlsAlertModule.Record(_alert)).ConfigureAwait(false);
            await Client.EndAsync().ConfigureAwait(false);
            if (!_clientReading)
                await LingerAsync().ConfigureAwait(false);
            else
                Client.WakeReader();
        }
    }

    /// <summary>Closing with unread data would reset the connection and lose what was written before.</summary>
    private async Task LingerAsync()
    {
        if (Interlocked.Exchange(ref _lingering, 1) != 0)
            return;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Farewell.LingerBytes);
        try
        {
            int drained = 0;
            while (drained < Farewell.LingerBytes)
            {
                IoResult received = await Client.ReceiveAsync(buffer).ConfigureAwait(false);
                if (received.Fault != IoFault.None || received.Bytes == 0)
                    break;
                drained += received.Bytes;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        Client.Loop.Disarm(this);
        Release();
    }

    /// <summary>The last act: nothing of the connection is left behind it.</summary>
    private void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) != 0)
            return;
        _draining = null;
        Client.Close();
        if (_target is null)
            _dialer.Settle();
        else
            _target.Close();
        if (_life.IsCounted)
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
        if (RelayBegan.Nanoseconds != 0)
        {
            State.On(Client.Loop).RelayEnded(ClientStamps.BytesFrom, TargetStamps.BytesFrom);
            Model.Meter.Relayed(_life.LastTarget, EndedAt - RelayBegan, ClientStamps.BytesFrom, TargetStamps.BytesFrom);
        }

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

    private void Fail(Exception e)
    {
        Failure = e.Message;
        _observer.OnInternalFault(this, e);
        Report(Event.InternalFault);
        if (_life.IsOver && _released == 0)
        {
            Client.Abort();
            _target?.Abort();
            Release();
        }
    }
}
