using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>
/// What one receive or send came to. Expected failures are values: an ordinary reset costs no throw.
/// A receive with 0 bytes and no fault is the end of the stream.
/// </summary>
internal readonly record struct IoResult(int Bytes, IoFault Fault)
{
    public static IoResult Ok(int bytes) => new(bytes, IoFault.None);

    public static IoResult Failed(IoFault fault) => new(0, fault);

    public bool IsEnd => Bytes == 0 && Fault == IoFault.None;
}
