using Bitflow.Domain;

namespace Bitflow.Net.Transport.Linux;

/// <summary>Who hears that connections wait at a socket, or that nobody looks any more whether they do.</summary>
internal interface IListenerSink : IEventSink
{
    /// <param name="fault">Why the kernel watches the socket no longer.</param>
    void OnUnwatched(IoFault fault);
}
