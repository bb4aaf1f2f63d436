using System.Net.Sockets;
using Bitflow.Domain;

namespace Bitflow.Net.Transport.Managed;

/// <summary>Accepts with the platform's sockets: one pending call, and none while paused.</summary>
internal sealed class ManagedAcceptor : Acceptor
{
    /// <summary>Keep-alive of accepted clients.</summary>
    private static readonly SocketSettings ClientSettings = new(Defaults.keepAliveSeconds);

    /// <summary>
    /// So many in a row are accepted without a wait. The thread is then left to others: it may be the one that all sockets wait for (inline completions), and a
    /// queue that clients fill as fast as it empties would keep it.
    /// </summary>
    private const int MostAcceptsAtOnce = 16;

    private readonly ManagedLoop _loop;
    private readonly ListeningSocket _listening;
    private readonly IAcceptHandler _handler;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly Task _run;
    private TaskCompletionSource? _resumed;
    private Socket? _accepting;
    private CancellationTokenSource _interrupt = new();

    public ManagedAcceptor(ManagedLoop loop, ListeningSocket listening, IAcceptHandler handler)
    {
        _loop = loop;
        _listening = listening;
        _handler = handler;
        _run = Task.Run(RunAsync);
    }

    public override void Pause()
    {
        CancellationTokenSource interrupt;
        lock (_gate)
        {
            if (_resumed is not null)
                return;
            _resumed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            interrupt = _interrupt;
        }

        interrupt.Cancel();
    }

    public override void Resume()
    {
        TaskCompletionSource? resumed;
        lock (_gate)
        {
            resumed = _resumed;
            _resumed = null;
            if (resumed is not null)
                _interrupt = new CancellationTokenSource();
        }

        resumed?.TrySetResult();
    }

    public override async Task CloseAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _run.ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Task? paused;
            CancellationToken interrupt;
            lock (_gate)
            {
                paused = _resumed?.Task;
                interrupt = _interrupt.Token;
            }

            if (paused is not null)
            {
                await paused.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, interrupt);
            try
            {
                _accepting ??= AcceptingSocket.Of(_listening);
                // One linked token serves many accepts: it is made anew only after a pause.
                int acceptsAtOnce = 0;
                while (!either.IsCancellationRequested)
                {
                    ValueTask<Socket> accepting = _accepting.AcceptAsync(either.Token);
                    acceptsAtOnce = accepting.IsCompleted ? acceptsAtOnce + 1 : 0;
                    Take(await accepting.ConfigureAwait(false));
                    if (acceptsAtOnce < MostAcceptsAtOnce)
                        continue;
                    acceptsAtOnce = 0;
                    await Task.Yield();
                }
            }
            catch (OperationCanceledException)
            {
                // Paused or stopped; the head of the loop knows which.
            }
            catch (SocketException e)
            {
                await FollowAsync(AcceptFailureModule.OfErrno(e.NativeErrorCode)).ConfigureAwait(false);
            }
            catch (OutOfMemoryException)
            {
                // How the platform says that the kernel refuses to watch the socket.
                await FollowAsync(AcceptFailure.NewRests(IoFault.NoWatches)).ConfigureAwait(false);
            }
        }

        if (!AcceptQueued() && _listening.LostAtClose is > 0 and int waiting)
            _handler.OnTurnedAway(waiting);

        // In the same breath: whoever connects between the two is reset, and nobody can spare them that.
        _listening.Close();
        _accepting?.Dispose();
    }

    /// <summary>True where all were accepted that waited.</summary>
    private bool AcceptQueued()
    {
        // Those that wait now, and not who comes meanwhile: they may never stop coming.
        for (int left = _listening.MostWaiting; left > 0; left--)
        {
            try
            {
                _accepting ??= AcceptingSocket.Of(_listening);
                if (!Take(_accepting.Accept()))
                    return false;
            }
            catch (SocketException e)
            {
                AcceptFailure failure = AcceptFailureModule.OfErrno(e.NativeErrorCode);
                if (failure.IsNextMayWait)
                    continue;
                if (failure.IsRests)
                    _handler.OnAcceptFault(failure.fault);
                return false;
            }
        }

        return true;
    }

    private bool Take(Socket client)
    {
        try
        {
            ManagedLoop.Configure(client, ClientSettings);
        }
        catch (SocketException)
        {
            // Reset while it waited in the queue: the first receive says so.
        }

        var connection = new ManagedConnection(_loop, client);
        bool more = _handler.OnTaken(connection.Descriptor);
        _handler.OnAccepted(connection);
        return more;
    }

    private async Task FollowAsync(AcceptFailure failure)
    {
        if (!failure.IsRests)
            return;
        _handler.OnAcceptFault(failure.fault);
        await Task.Delay(AcceptFailureModule.rest.ToTimerSpan(), _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
