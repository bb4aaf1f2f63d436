using System.Runtime.CompilerServices;

namespace Bitflow.Net.Transport;

/// <summary>An awaitable that goes on, on a given loop.</summary>
internal readonly struct LoopSwitch(EventLoop loop) : ICriticalNotifyCompletion
{
    public LoopSwitch GetAwaiter() => this;

    public bool IsCompleted => loop.IsCurrent;

    public void GetResult()
    {
    }

    public void OnCompleted(Action continuation) => loop.Post(continuation);

    public void UnsafeOnCompleted(Action continuation) => loop.Post(continuation);
}
