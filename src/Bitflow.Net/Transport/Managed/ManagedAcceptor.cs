using System.Net.Sockets;
using Bitflow.Domain;

namespace Bitflow.Net.Transport.Managed;

/// <summary>Accepts with the platform's sockets: one pending call, and none while paused.</summary>
internal sealed class ManagedAcceptor : Acceptor
{
    /// <summary>Keep-alive of accepted clients.</summary>
    private static readonly SocketSettings ClientSettings = new(Defaults.keepAliveSeconds);

    /// <summary>After a failed call: long enough not to spin, short enough not to be noticed.</summary>
    private static readonly TimeSpan PauseAfterFault = TimeSpan.FromMilliseconds(50);

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
        _listening.Close();
        _accepting?.Dispose();
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
                while (!either.IsCancellationRequested)
                    Take(await _accepting.AcceptAsync(either.Token).ConfigureAwait(false));
            }
            catch (OperationCanceledException)
            {
                // Paused or stopped; the head of the loop knows which.
            }
            catch (SocketException e)
            {
                if (await FaultAsync(e).ConfigureAwait(false))
                    return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }

        AcceptQueued();
    }

    private void AcceptQueued()
    {
        try
        {
            _accepting ??= AcceptingSocket.Of(_listening);
            while (Take(_accepting.Accept()))
            {
                // One after the other, until there is none or no room for one.
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // WouldBlock: the queue is empty.
        }
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
        bool more = _handler.OnTaken(connection.Descriptor, waiting: 0);
        _handler.OnAccepted(connection);
        return more;
    }

    /// <summary>True when accepting is over for good.</summary>
    private async Task<bool> FaultAsync(SocketException e)
    {
        switch (e.SocketErrorCode)
        {
            case SocketError.OperationAborted or SocketError.NotSocket or SocketError.InvalidArgument:
                return true;
            case SocketError.ConnectionReset or SocketError.ConnectionAborted:
                return false;
            default:
                _handler.OnAcceptFault(IoFaults.OfSocketError(e.SocketErrorCode));
                try
                {
                    await Task.Delay(PauseAfterFault, _stop.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    // Stopping: go on to the queue.
                }

                return false;
        }
    }
}
