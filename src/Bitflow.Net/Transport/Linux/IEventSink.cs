namespace Bitflow.Net.Transport.Linux;

/// <summary>Who hears of a descriptor's events. Called on the loop; must not block.</summary>
internal interface IEventSink
{
    /// <param name="events">EPOLLIN and its kind, as the kernel reports them.</param>
    void OnEvents(uint events);
}
