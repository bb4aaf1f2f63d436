using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// One listening socket, accepted from by every loop: the kernel wakes one that sleeps (EPOLLEXCLUSIVE), and a connection stays on the loop
/// that took it unless that one already carries clearly more than another.
/// </summary>
internal sealed class LinuxAcceptor : Acceptor
{
    /// <summary>Accepts a turn and loop, so that a flood of clients leaves time for those that are there.</summary>
    private const int PerTurn = 16;

    private readonly LinuxLoop[] _loops;
    private readonly ListeningSocket _listening;
    private readonly int _listener;
    private readonly int _family;
    private readonly Endpoint? _local;
    private readonly IAcceptHandler _handler;
    private readonly LoopAcceptor[] _acceptors;
    private volatile bool _paused;
    private volatile bool _stopped;

    public LinuxAcceptor(LinuxLoop[] loops, ListeningSocket listening, IAcceptHandler handler)
    {
        _loops = loops;
        _listening = listening;
        _listener = listening.Descriptor;
        _handler = handler;
        listening.Socket.Blocking = false;
        if (Libc.GetOption(_listener, Libc.SolSocket, Libc.SoDomain, out _family) < 0)
            _family = Libc.FamilyUnix;
        _local = listening.Local is Endpoint.Ip { address: var bound } && !bound.Equals(System.Net.IPAddress.Any) && !bound.Equals(System.Net.IPAddress.IPv6Any)
            ? listening.Local
            : null;
        _acceptors = [.. loops.Select(loop => new LoopAcceptor(this, loop))];
        foreach (LoopAcceptor acceptor in _acceptors)
            acceptor.Loop.Post(acceptor.Follow);
    }

    public override void Pause()
    {
        _paused = true;
        Follow();
    }

    public override void Resume()
    {
        _paused = false;
        Follow();
    }

    public override async Task CloseAsync()
    {
        _stopped = true;
        foreach (LoopAcceptor acceptor in _acceptors)
            await acceptor.FollowAsync().ConfigureAwait(false);
        await _acceptors[0].DrainAndCloseAsync().ConfigureAwait(false);

        // Once more around: what one loop accepted and gave to another has been handed over by then.
        foreach (LoopAcceptor acceptor in _acceptors)
            await acceptor.FollowAsync().ConfigureAwait(false);
    }

    private void Follow()
    {
        foreach (LoopAcceptor acceptor in _acceptors)
        {
            if (acceptor.Loop.IsCurrent)
                acceptor.Follow();
            else
                acceptor.Loop.Post(acceptor.Follow);
        }
    }

    private bool Take(LinuxLoop here, int descriptor, ReadOnlySpan<byte> from)
    {
        if (_family != Libc.FamilyUnix && !_listening.ClientsInheritSettings)
        {
            LinuxLoop.SetNoDelay(descriptor);
            LinuxLoop.TakeUrgentInPlace(descriptor);
        }

        LinuxLoop home = Home(here);
        var connection = new LinuxConnection(home, descriptor, _family, from, _local, Defaults.keepAliveSeconds);
        bool more = _handler.OnTaken(descriptor);
        if (home == here)
        {
            HandOver(connection);
            return more;
        }

        PostHandOver(home, connection);
        return more;
    }

    /// <summary>Apart, because a method that makes a closure on one of its ways pays for it on all of them.</summary>
    private void PostHandOver(LinuxLoop home, LinuxConnection connection) => home.PostNewcomer(() => HandOver(connection));

    private void HandOver(LinuxConnection connection)
    {
        int begun = connection.Begin();
        if (begun < 0)
            _handler.OnLost(connection.Remote, IoFaults.OfEpoll(-begun));
        else
            _handler.OnAccepted(connection);
    }

    private LinuxLoop Home(LinuxLoop here)
    {
        LinuxLoop least = here;
        foreach (LinuxLoop loop in _loops)
        {
            if (loop.Load < least.Load)
                least = loop;
        }

        return LoopChoice.IsWorthMoving(here.Load, least.Load, least.Newcomers) ? least : here;
    }

    /// <summary>One loop's part in accepting.</summary>
    private sealed class LoopAcceptor(LinuxAcceptor owner, LinuxLoop loop) : LoopTimer, IListenerSink
    {
        private ulong _number;
        private bool _listens;
        private bool _rests;

        /// <summary>
        /// Accepts in one turn: one while clients come singly, so that no call is wasted on learning that the queue is empty, and twice as many
        /// each time that there were more.
        /// </summary>
        private int _batch = 1;

        public LinuxLoop Loop { get; } = loop;

        /// <summary>Does on this loop what the acceptor has been told.</summary>
        public void Follow()
        {
            bool wanted = !owner._paused && !owner._stopped && !_rests;
            if (wanted == _listens)
                return;
            if (wanted)
            {
                int answer = Loop.RegisterListener(owner._listener, this, out _number);
                _listens = answer >= 0;
                if (!_listens)
                    Rest(IoFaults.OfEpoll(-answer));
            }
            else
            {
                _listens = false;
                Loop.UnregisterListener(owner._listener, _number);
            }
        }

        public Task FollowAsync() => On(Follow);

        /// <summary>To be asked when no loop watches the socket any more.</summary>
        public Task DrainAndCloseAsync() => On(() =>
        {
            // Those that wait now, and not who comes meanwhile: they may never stop coming.
            if (!Accept(owner._listening.MostWaiting, draining: true) && owner._listening.LostAtClose is > 0 and int left)
                owner._handler.OnTurnedAway(left);
            owner._listening.Close();
        });

        public void OnEvents(uint events) => _batch = Accept(_batch, draining: false) ? Math.Min(_batch * 2, PerTurn) : 1;

        public void OnUnwatched(IoFault fault) => Rest(fault);

        public override void Fire(Instant now)
        {
            _rests = false;
            Follow();
        }

        /// <summary>True where there may be more: as many were accepted as was allowed.</summary>
        private bool Accept(int most, bool draining)
        {
            Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
            for (int taken = 0; taken < most && (draining || (_listens && !owner._paused)); taken++)
            {
                int answer = Libc.Accept(owner._listener, address, out int bytes);
                if (answer >= 0)
                {
                    if (owner.Take(Loop, answer, address[..bytes]))
                        continue;
                    return false;
                }

                AcceptFailure failure = AcceptFailureModule.OfErrno(-answer);
                if (failure.IsNextMayWait)
                    continue;
                if (failure.IsRests)
                    Rest(failure.fault);
                return false;
            }

            return true;
        }

        private void Rest(IoFault fault)
        {
            if (!owner._stopped)
            {
                _rests = true;
                Follow();
                Loop.Arm(this, Loop.Now + AcceptFailureModule.rest);
            }

            owner._handler.OnAcceptFault(fault);
        }

        private Task On(Action work)
        {
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Loop.Post(() =>
            {
                try
                {
                    work();
                }
                finally
                {
                    done.SetResult();
                }
            });
            return done.Task;
        }
    }
}
