namespace Bitflow.Net.Transport.Linux;

/// <summary>A TCP socket whose connection is over in both directions, and that can be connected again.</summary>
/// <param name="Number">By which epoll reports its events still, to nobody.</param>
/// <param name="HasNoDelay">Whether Nagle's algorithm is off.</param>
internal readonly record struct SpareSocket(int Descriptor, ulong Number, int Family, bool HasNoDelay);
