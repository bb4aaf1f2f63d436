using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.App;

/// <summary>
/// The signals of the process; which waits and which is answered next is the core's (<see cref="SignalQueue"/>). Installed before anything else, so that a
/// signal during start is never the default one's death.
/// </summary>
internal sealed class Signals : IDisposable
{
    private const int Hangup = 1;
    private const int Interrupt = 2;
    private const int Terminate = 15;
    private const int FileSizeExceeded = 25;
    private const PosixSignal Usr1 = (PosixSignal)10;
    private const PosixSignal Usr2 = (PosixSignal)12;

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _came = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly PosixSignalRegistration[] _registrations;
    private FSharpList<Signal> _waiting = SignalQueue.Empty;

    public Signals()
    {
        // What a shell starts in the background ignores SIGINT, what nohup starts ignores SIGHUP, what a script starts whatever it trapped; here all mean something.
        foreach (int signal in (int[])[Hangup, Interrupt, Terminate, (int)Usr1, (int)Usr2])
            Libc.StopIgnoring(signal);

        // A log that has reached the limit of the process on files (LimitFSIZE) is one that cannot be written: the call says so (setrlimit(2)).
        Libc.Ignore(FileSizeExceeded);
        _registrations = [Hear(PosixSignal.SIGINT), Hear(PosixSignal.SIGTERM), Hear(PosixSignal.SIGHUP), Hear(Usr1), Hear(Usr2)];
    }

    /// <summary>Fires with the first stop, before anyone has taken it: what may take long is given up for it.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Waits for the next signal.</summary>
    public ValueTask<Signal> NextAsync(CancellationToken token = default) => NextAsync(SignalQueue.Next, token);

    /// <summary>Waits for the next one that is answered while a reload is under way.</summary>
    public ValueTask<Signal> NextBesideReloadAsync(CancellationToken token) => NextAsync(SignalQueue.NextBesideReload, token);

    private async ValueTask<Signal> NextAsync(Func<FSharpList<Signal>, FSharpValueOption<(Signal Signal, FSharpList<Signal> Waiting)>> choose, CancellationToken token)
    {
        while (true)
        {
            // What waits is looked at before every wait: who asked before may have been woken for it and left it.
            lock (_gate)
            {
                if (choose(_waiting) is { IsSome: true } next)
                {
                    _waiting = next.Value.Waiting;
                    return next.Value.Signal;
                }
            }

            await _came.WaitAsync(token).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private PosixSignalRegistration Hear(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        Add(Meaning(context.Signal));
    });

    private static Signal Meaning(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => Signal.Reload,
        Usr1 => Signal.ReopenLogs,
        Usr2 => Signal.DumpState,
        _ => Signal.Stop,
    };

    private void Add(Signal signal)
    {
        lock (_gate)
            _waiting = SignalQueue.Add(signal, _waiting);
        _came.Release();
        if (signal.IsStop)
            _ = _stopping.CancelAsync();
    }
}
