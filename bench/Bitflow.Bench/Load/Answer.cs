using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>How an answer opens: 16 bytes that let the asker know who answered and that the question arrived whole.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct Answer
{
    public const byte Good = (byte)'A';
    public const byte Mangled = (byte)'X';

    public byte Verdict;

    /// <summary>Which target answered, so that a route taken wrongly shows.</summary>
    public byte Target;

    /// <summary>Which version of PROXY header came first; 0 for none.</summary>
    public byte Header;

    public byte Unused;

    /// <summary>The client's port as that header gave it.</summary>
    public ushort HeaderPort;

    public ushort Unused2;

    /// <summary>The question's number, or the bytes received, or the digest of a hello.</summary>
    public ulong Number;
}
