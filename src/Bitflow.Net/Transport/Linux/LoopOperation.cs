using System.Threading.Tasks.Sources;
using Bitflow.Domain;

namespace Bitflow.Net.Transport.Linux;

/// <summary>One pending call of a connection, used again for the next: waiting allocates nothing. Lives on one loop.</summary>
internal sealed class LoopOperation : IValueTaskSource<IoResult>, IValueTaskSource<IoFault>
{
    private ManualResetValueTaskSourceCore<IoResult> _core;
    private IoResult _deferred;

    /// <summary>Whether a call waits.</summary>
    public bool IsPending { get; private set; }

    public ValueTask<IoResult> BeginResult()
    {
        Begin();
        return new(this, _core.Version);
    }

    public ValueTask<IoFault> BeginFault()
    {
        Begin();
        return new(this, _core.Version);
    }

    /// <summary>Runs the continuation before it returns.</summary>
    public void Complete(IoResult result)
    {
        IsPending = false;
        _core.SetResult(result);
    }

    /// <summary>Settles the outcome now, for <see cref="CompleteDeferred"/> to announce later in the turn.</summary>
    public void Settle(IoResult result)
    {
        IsPending = false;
        _deferred = result;
    }

    public void CompleteDeferred() => _core.SetResult(_deferred);

    private void Begin()
    {
        System.Diagnostics.Debug.Assert(!IsPending, "one call at a time on each side");
        _core.Reset();
        IsPending = true;
    }

    IoResult IValueTaskSource<IoResult>.GetResult(short token) => _core.GetResult(token);

    IoFault IValueTaskSource<IoFault>.GetResult(short token) => _core.GetResult(token).Fault;

    ValueTaskSourceStatus IValueTaskSource<IoResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<IoFault>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<IoResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<IoFault>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
