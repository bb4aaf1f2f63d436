using System.Runtime.InteropServices;
using Bitflow.Net.Linux;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Bitflow.App.Commands.Top;

/// <summary>The whole terminal for a while; what stood there before comes back.</summary>
internal static class TopTerminal
{
    private const string OtherScreen = "\e[?1049h\e[?25l";
    private const string FirstScreen = "\e[?25h\e[?1049l";
    private const string Home = "\e[H";
    private const string ClearBelow = "\e[J";

    private const int LeastLines = 3;
    private const int LeastColumns = 20;

    /// <summary>Nothing is painted over what stood there before.</summary>
    private static readonly Lock Painting = new();

    /// <summary>Whoever stops it behind its end gets the shell's screen back, and no other.</summary>
    private static bool _isEntered;

    public static void Enter()
    {
        lock (Painting)
        {
            _isEntered = true;
            Turn(OtherScreen);
        }
    }

    public static void Leave()
    {
        lock (Painting)
        {
            _isEntered = false;
            Turn(FirstScreen);
        }
    }

    /// <summary>Ctrl-Z: who stops it sees what stood there before, and `fg` brings it back.</summary>
    public static PosixSignalRegistration? LeaveWhileStopped() =>
        OperatingSystem.IsLinux()
            ? PosixSignalRegistration.Create(PosixSignal.SIGTSTP, static signal =>
            {
                signal.Cancel = true;
                lock (Painting)
                {
                    if (_isEntered)
                        Turn(FirstScreen);
                    Libc.StopUntilContinued();
                    if (_isEntered)
                        Turn(OtherScreen);
                }
            })
            : null;

    /// <summary>Paints over what is there, so that nothing flickers.</summary>
    /// <param name="screen">Makes what is to be seen in so many columns and lines.</param>
    public static void Show(Func<int, int, IRenderable> screen)
    {
        // A window may have become another size. Where it is too small for anything that could be read it stays empty: what wraps would scroll the rest away.
        int height = Console.WindowHeight;
        int width = Console.WindowWidth;
        bool isTooSmall = height < LeastLines || width < LeastColumns;
        AnsiConsole.Profile.Width = Math.Max(width, LeastColumns);
        AnsiConsole.Profile.Height = Math.Max(height, LeastLines);
        lock (Painting)
        {
            AnsiConsole.Console.Write(new ControlCode(Home + ClearBelow));
            if (isTooSmall)
                return;

            // The last line stays free: a line break there would scroll.
            AnsiConsole.Write(screen(width, height - 1));
        }
    }

    private static void Turn(string to) => AnsiConsole.Console.Write(new ControlCode(to));
}
