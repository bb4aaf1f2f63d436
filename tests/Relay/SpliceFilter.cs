using System.Runtime.InteropServices;
using Xunit;

namespace Bitflow.Tests.Relay;

/// <summary>A seccomp filter as containers have them, for the calling thread alone: it ends with the thread.</summary>
internal static class SpliceFilter
{
    private const int SetSeccomp = 22;
    private const int SetNoNewPrivileges = 38;
    private const nuint ModeFilter = 2;

    private const ulong LoadCallNumber = 0x20;
    /// <summary>The fifth argument (struct seccomp_data).</summary>
    private const ulong LoadBytes = LoadCallNumber | (48UL << 32);

    private const ulong JumpIfEqual = 0x15;
    private const ulong Return = 0x06;
    private const ulong Allow = 0x7fff_0000;
    private const ulong AnswerErrno = 0x0005_0000;

    /// <summary>
    /// From here on the kernel answers every splice of this thread with an errno, and of the threads that it begins; or only those of less than so many bytes at a time,
    /// as they are that empty a pipe.
    /// </summary>
    public static bool Refuse(int errno, int butNotOf = 0)
    {
        ulong splice = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 275UL : 76UL;
        const ulong skipThreeUnlessEqual = 3UL << 24;
        const ulong skipOneIfEqual = 1UL << 16;
        ulong[] filter =
        [
            LoadCallNumber,
            JumpIfEqual | skipThreeUnlessEqual | (splice << 32),
            LoadBytes,
            JumpIfEqual | skipOneIfEqual | ((ulong)butNotOf << 32),
            Return | ((AnswerErrno | (uint)errno) << 32),
            Return | (Allow << 32),
        ];
        GCHandle held = GCHandle.Alloc(filter, GCHandleType.Pinned);
        var program = new FilterProgram { Length = (ushort)filter.Length, Instructions = held.AddrOfPinnedObject() };
        Assert.Equal(0, Control(SetNoNewPrivileges, 1, 0, 0, 0));
        Assert.Equal(0, Control(SetSeccomp, ModeFilter, ref program));
        held.Free();
        return true;
    }

    [DllImport("libc", EntryPoint = "prctl")]
    private static extern int Control(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    [DllImport("libc", EntryPoint = "prctl")]
    private static extern int Control(int option, nuint mode, ref FilterProgram program);

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FilterProgram
    {
        public ushort Length;
        public nint Instructions;
    }
}
