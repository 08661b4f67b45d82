namespace VmScope.Analysis;

public static partial class KnownCallers
{
    /// <summary>The table's own version: raised whenever a line changes, and written into reports.</summary>
    public const string TableVersion = "2026.11";

    /// <summary>
    /// One line for each kind of owner: function names (a trailing '*' stands for any ending), subject, what there is
    /// one area of when many are normal ('-' when many are not), and a sentence.
    /// Names are the kernel's; sentences are ours. Read in kernels 2.6.28 to 7.2 and recorded boots.
    /// </summary>
    private static ReadOnlySpan<byte> Table => """
        n_tty_open|tty|open terminal|the line discipline's buffers of one open terminal: 3 pages hold the 4 KiB read and echo buffers and the state
        tty_ldisc_open,n_hdlc_tty_open,n_gsm_open,gsmld_open,slip_open,ppp_asynctty_open|tty|open terminal|state of a special line discipline on a serial line
        vc_do_resize,vc_allocate,con_init,vc_uniscr_alloc,vc_uniscr_check|tty|virtual console|character cells of a virtual console
        alloc_large_system_hash|boot|boot-time hash table|a hash table sized from RAM at boot: dentry and inode caches, mounts, futexes, TCP and UDP; it lives as long as the kernel
        start_kernel|boot|-|something allocated while the kernel starts, its real function folded into start_kernel; lives as long as the kernel
        memblock_*,mem_init,mm_core_init|boot|-|memory set up while the kernel starts
        kernel_clone,_do_fork,do_fork,dup_task_struct,copy_process,alloc_thread_stack_node,alloc_thread_stack|stack|task|a task's kernel stack; it grows downwards, so an overflow faults in the guard page or hole below
        fork_idle,idle_thread_get,idle_init|stack|processor|the stack of a processor's idle task
        irq_init_percpu_irqstack,map_irq_stack,init_irq_stacks,irq_ctx_init,init_irq_scs|stack|processor|a processor's interrupt stack
        scs_alloc,__scs_alloc|stack|task|a task's shadow call stack
        sdei_*,init_sdei_stack,_init_sdei_stack|stack|processor|stack for firmware events on arm64
        pcpu_get_vm_areas|percpu|per-CPU chunk|addresses of a per-CPU chunk, placed from the top of the vmalloc area downwards, one unit for each possible processor
        pcpu_mem_zalloc,pcpu_create_chunk,pcpu_alloc_chunk,pcpu_populate_chunk,pcpu_get_pages*,pcpu_alloc,pcpu_alloc_noprof,pcpu_balance_*|percpu|per-CPU chunk|bookkeeping of a per-CPU chunk: page pointers and the map of what is allocated
        setup_per_cpu_areas,pcpu_page_first_chunk,pcpu_setup_first_chunk,vm_area_register_early|percpu|-|the first per-CPU chunk, mapped page by page before vmalloc itself works
        netlink_sendmsg,netlink_alloc_large_skb,__netlink_*|net|message in flight|the body of a netlink message too big for the slab; gone when it is read
        alloc_netdev_mqs,netif_alloc_netdev_queues,netif_alloc_rx_queues,alloc_netdev_*|net|network device|the structure or queues of a network device that are too big for the slab
        xt_alloc_table_info,xt_replace_table,xt_alloc_entry_offsets,xt_counters_alloc,do_replace,__do_replace,compat_do_replace,ipt_*,ip6t_*,translate_table,translate_compat_table,ebt_*,do_ebt_*,arpt_*|net|rule set|a table of iptables, ip6tables, arptables or ebtables rules, its counters or jump targets
        nf_tables_*,nft_*|net|-|nftables rules or sets
        ip_set_alloc,hash_*_create,hash_*_resize,bitmap_*_create|net|IP set|the table of an IP set
        nf_ct_alloc_hashtable,nf_conntrack_init*,nf_nat_init*,htable_create,hashlimit_*|net|network namespace|a hash table of connection tracking or address translation
        bucket_table_alloc,rhashtable_init,nested_bucket_table_alloc,rhashtable_*|net|hash table|the buckets of a resizable hash table
        tcp_metrics_net_init,inet_ehash_locks_alloc,inet_hashinfo2_init_mod,udp_table_init,udp_init,tcp_init,inet_init,inet_pernet_hashinfo_alloc|net|network namespace|tables of TCP and UDP
        fib_*,tnode_*,fz_hash_alloc,ipv6_*,xfrm_hash_alloc,xfrm_*,inetdev_*,neigh_hash_alloc|net|routing table|routing, neighbour or IPsec tables
        packet_set_ring,alloc_one_pg_vec_page,alloc_pg_vec,packet_*|net|packet socket|blocks of a packet socket's ring
        sock_kmalloc*,sk_alloc,sock_alloc_*,skb_*|net|socket|memory of a socket
        e1000_setup_all_tx_resources,e1000_setup_tx_resources,e1000e_setup_tx_resources|net|transmit ring|one record for each descriptor of an Intel network card's transmit ring, while the interface is up
        e1000_setup_all_rx_resources,e1000_setup_rx_resources,e1000e_setup_rx_resources|net|receive ring|one record for each descriptor of an Intel network card's receive ring, while the interface is up
        e1000_probe,e1000e_probe,e1000_*,e1000e_*|net|network card|registers or tables of an Intel network card
        fq_codel_init,fq_init,fq_resize,fq_*,cake_*,sfq_*,choke_*,netem_*,qdisc_*|net|queueing discipline|the flow table of a network queueing discipline
        ip_vs_*|net|-|the connection table of the IPVS load balancer
        ovs_*|net|-|flow tables of Open vSwitch
        vhost_*|virt|vhost device|the kernel's side of a virtual machine's network or socket device
        igb_*,ixgbe_*,ixgbevf_*,i40e_*,iavf_*,ice_*,igc_*,fm10k_*|net|ring|bookkeeping of an Intel network card's rings
        mlx4_*,mlx5_*,bnx2*,bnxt_*,tg3_*,qed_*,qede_*,cxgb*,t4_*,be_*,enic_*,ena_*,gve_*,virtnet_*,vmxnet3_*,netvsc_*,rtl8*,r8169_*,rtl_init_one,atl1*,sky2_*,skge_*,forcedeth*,nv_*probe|net|ring|bookkeeping of a network card's rings or its registers
        bpf_prog_alloc,bpf_prog_alloc_no_stats|bpf|BPF program|header and instructions of a BPF program; socket filters, seccomp filters and systemd's cgroup programs are such
        bpf_prog_realloc,bpf_prog_clone_create,bpf_patch_insn_data,bpf_patch_insn_single,bpf_jit_blind_constants|bpf|BPF program|a copy of a BPF program made while it is patched or compiled
        bpf_prog_calc_tag,bpf_check,do_check_common,bpf_prog_load,check_cfg|bpf|-|scratch memory while a BPF program is verified; gone when it is loaded
        bpf_jit_binary_alloc,bpf_jit_alloc_exec,bpf_int_jit_compile,bpf_jit_binary_pack_alloc|bpf|compiled BPF program|machine code of a compiled BPF program
        bpf_prog_pack_alloc,alloc_new_pack|bpf|pack of BPF programs|2 MiB that many compiled BPF programs share
        arch_alloc_bpf_trampoline,bpf_trampoline_*,bpf_jit_alloc_exec_page,bpf_dispatcher_*|bpf|BPF attachment|machine code that calls BPF programs from a traced function
        array_map_alloc,htab_map_alloc,bpf_map_area_alloc,bpf_map_area_mmapable_alloc,__bpf_map_area_alloc,prealloc_init,stack_map_alloc,trie_alloc,dev_map_*,cpu_map_alloc,sock_map_alloc,queue_stack_map_alloc,bloom_map_alloc,reuseport_array_alloc,bpf_array_*,percpu_array_*,bpf_percpu_*|bpf|BPF map|the storage of a BPF map
        ringbuf_map_alloc,bpf_ringbuf_alloc,bpf_ringbuf_area_alloc|bpf|BPF ring buffer|a BPF ring buffer, its pages mapped twice in a row so that a record never has to be split
        arena_map_alloc|bpf|BPF arena|the kernel's window on a BPF arena: reserved addresses whose pages come on demand
        btf_*,bpf_btf_*|bpf|-|type information for BPF
        module_alloc,module_alloc_update_bounds,move_module,layout_and_allocate,load_module,module_memory_alloc,module_init_layout_section|module|module|code and data of a loaded module; the part for starting is freed after start
        execmem_alloc,execmem_alloc_rw,__execmem_alloc,execmem_vmalloc,execmem_cache_populate,execmem_cache_alloc|module|module section|memory for code: sections of modules, BPF programs, probes
        copy_module_from_fd,copy_module_from_user,init_module_from_file,__do_sys_init_module,__do_sys_finit_module,sys_init_module,SyS_init_module,module_decompress,module_extend_max_pages|module|module being loaded|the file of a module while it is loaded
        kernel_read_file,kernel_read_file_from_fd|module|file being read|a file the kernel reads whole: mostly a module while it is loaded, also a firmware image or a policy
        kernel_read_file_from_path*,fw_get_filesystem_firmware,fw_read_file_contents,fw_decompress_*,fw_map_paged_buf,fw_map_pages,fw_grow_paged_buf,firmware_*,_request_firmware|firmware|firmware image|a firmware image while a driver needs it
        arch_ftrace_update_trampoline,create_trampoline,ftrace_*,alloc_tramp|tracing|trampoline|machine code and tables of function tracing
        rethook_alloc,alloc_insn_page,kprobe_*,alloc_optinsn_page,__get_insn_slot|tracing|probe|memory of a kernel probe
        ring_buffer_*,rb_allocate_*,__rb_allocate_pages,tracing_*,trace_*,alloc_percpu_trace_buffer,allocate_trace_buffer|tracing|trace buffer|buffers of the kernel's tracer
        rb_alloc,perf_mmap_alloc_page,perf_mmap*,perf_*|tracing|perf event|a ring buffer of a performance event
        relay_open_buf,relay_alloc_buf,relay_create_buf|tracing|relay channel|a relay channel's buffer
        uncore_*,snb_uncore_*,intel_uncore_*,tgl_uncore_*,*_uncore_imc_*|tracing|counter box|memory-mapped performance counters
        acpi_os_map_iomem,acpi_os_map_memory,acpi_os_map_generic_address,acpi_map,acpi_tb_*,acpi_ex_*|acpi|ACPI table or region|an ACPI table or a region its code reads and writes, mapped as the firmware placed it
        ghes_*,gen_pool_add_owner,gen_pool_*,apei_*,erst_*,einj_*,bert_*|acpi|pool|a pool for hardware error records, or another pool of special memory
        hpet_enable,hpet_*|timer|-|the registers of the HPET timer
        pci_iomap_range,pci_iomap,pci_iomap_wc_range,pci_iomap_wc,pci_ioremap_bar,pci_ioremap_wc_bar,pcim_iomap*,__pci_ioremap_resource|pci|PCI BAR|registers or memory of a PCI device (one of its BARs) mapped by its driver
        pci_mmcfg_arch_init,pci_mmcfg_arch_map,mcfg_ioremap,pci_mmconfig_*,pci_ecam_create,pci_ecam_*|pci|PCI segment|the configuration space of PCI Express: up to 1 MiB for each bus
        msix_map_region,msix_capability_init,__pci_enable_msix_range,msix_*|pci|PCI device|a device's table of MSI-X interrupts
        vp_modern_map_capability,vp_modern_*,vp_*,vring_*,virtblk_*,virtio_*,vm_setup_vq|virtio|virtio device|registers or rings of a virtio device
        devm_ioremap*,__devm_ioremap*,devm_platform_*,of_iomap,of_io_request_and_map,devm_of_iomap|driver|device|a device's registers, mapped by its driver through a helper
        devm_memremap_pages,pmem_*,nd_*,nvdimm_*,dax_*|storage|-|persistent memory and its tables
        dma_buf_*,dma_heap_*,udmabuf_*,system_heap_*,cma_heap_*|dma|shared buffer|a buffer that devices share, mapped for the processor
        ubi_*,mtd_*,nand_*,mtdblock_*|storage|flash device|tables and buffers of a flash device
        agp_*|graphics|-|bookkeeping of the AGP graphics aperture
        raw_init|block|-|the table of raw block devices
        init_vdso_vars,vdso_*|boot|-|pages the kernel shares with every process (vDSO)
        memremap,devm_memremap,arch_memremap_*,dmi_*|driver|-|a piece of RAM or ROM with known contents: firmware tables, persistent memory
        ioremap,ioremap_*,__ioremap*|driver|-|registers or memory of a device; the driver's own function is not named
        usb_hcd_pci_probe,xhci_*,ehci_*,ohci_*,uhci_*,dwc2_*,dwc3_*|usb|USB controller|registers of a USB controller
        ahci_*,ata_*,nvme_*,megasas_*,mpt3sas_*,_base_*,hpsa_*,aac_*,lpfc_*,qla*,scsi_*,pvscsi_*|storage|storage controller|registers or tables of a storage controller
        iwl_*,ath9k_*,ath10k_*,ath11k_*,brcm*,mt76*,rtw_*,cfg80211_*|net|wireless device|registers or buffers of a wireless card
        gicv2m_init*,gic_*,its_*,irqchip_*,plic_*,aplic_*,imsic_*,armv7_*,intc_*|irq|interrupt controller|registers of an interrupt controller
        pl011_*,uart_*,serial8250_*,sbsa_*,earlycon_*|serial|serial port|registers of a serial port
        paging_init,map_kernel_segment,declare_kernel_vmas,map_kernel,declare_vma|boot|-|a segment of the kernel image itself, listed so that nothing else is placed there
        create_mapping,iotable_init,debug_ll_io_init,add_static_vm_early,vm_area_add_early,pci_map_io_early,pci_reserve_io,fill_pmd_gaps,pmd_empty_section_gap|boot|-|a mapping fixed at boot, before vmalloc worked; no guard page
        dma_common_contiguous_remap,dma_common_pages_remap,__dma_common_pages_remap,dma_direct_alloc,__dma_alloc*,__iommu_alloc_*,iommu_dma_alloc*,arm_dma_*,atomic_pool_*,dma_atomic_pool_init|dma|DMA buffer|memory shared with a device, mapped uncached or gathered from pieces
        dmar_*,alloc_iommu,map_iommu,iommu_*,amd_iommu_*,init_iova_*,intel_*_irq_remapping,intel_iommu_*,arm_smmu_*|iommu|IOMMU|registers or tables of an IOMMU
        tpm_*,crb_*,tis_*|driver|TPM|registers of the TPM
        zs_cpu_notifier,zs_cpu_up,zs_cpu_prepare,__zs_cpu_up,zs_init|zram|processor|zsmalloc's window of two pages on one processor, for objects that lie across a page border
        disksize_store,zram_meta_alloc,zram_*|zram|zram device|the table of a compressed RAM disk: one entry for each page
        zcomp_*,lzo_create,lzo_alloc_ctx,lz4_create,lz4_alloc_ctx,lz4hc_*,zstd_*,crypto_scomp_*,deflate_*,crypto_acomp_*,lzorle_alloc_ctx,backend_*|crypto|compressor|work memory of a compressor
        zswap_*|swap|-|memory of the compressed swap cache
        swap_cgroup_swapon,__do_sys_swapon,__ia32_sys_swapon,__x64_sys_swapon,__se_sys_swapon,sys_swapon,SyS_swapon,setup_swap_*,alloc_swap_info,setup_clusters,swap_*|swap|swap area|tables of a swap area: one or a few bytes for each of its pages, until swapoff
        alloc_ldt_struct,write_ldt,ldt_*|process|process|a process's local descriptor table (16-bit or 32-bit code, wine)
        alloc_fdtable,expand_files,expand_fdtable,dup_fd|process|process|the table of a process with very many open files
        kvm_dev_ioctl,kvm_create_vm,kvm_arch_alloc_vm,__kvm_*,kvm_*|kvm|virtual machine|structures of a virtual machine: memory slots, dirty bitmaps, reverse maps
        squashfs_*,zisofs_*,cramfs_*,zlib_init,xz_init,jffs2_*,ubifs_*,erofs_*,z_erofs_*|fs|mount|a decompressor's state or cache of a compressed file system
        kmem_alloc_large,kmem_zalloc_large,xlog_*,xfs_*,_xfs_buf_map_pages,kmem_*|fs|buffer|buffers of XFS
        ext4_*,jbd2_*,alloc_flex_gd|fs|mount|group descriptors and block allocator data of an ext4 file system
        btrfs_*,lzo_alloc_workspace,zlib_alloc_workspace,zstd_alloc_workspace,bch2_*,bch_*,f2fs_*,nilfs_*,ntfs_*,ceph_*,nfs_*,nfsd_*,fuse_*,cifs_*,smb*,reiserfs_*,ocfs2_*,gfs2_*,dlm_*|fs|mount|tables or buffers of a file system
        spl_kmem_cache_alloc,spl_vmalloc,spl_vmem_*,spl_kmem_*,zio_*,arc_*,abd_*,dmu_*,zfs_*|fs|object|memory of ZFS, which keeps its own caches in vmalloc space
        dm_table_create,dm_vcalloc,alloc_targets,realloc_argv,dm_*,copy_params,retrieve_status,core_ctr,create_log_context,crypt_*,integrity_*,raid_ctr,alloc_buffer_data,persistent_*|block|device-mapper table|tables and copies of the device mapper
        md_*,bitmap_*,raid*_*,setup_conf,scribble_alloc,grow_stripes,raid5_alloc_percpu|block|array|tables of a software RAID
        blk_*,bio_*,bdev_*,blk_mq_*,loop_*,nbd_*,drbd_*|block|block device|tables of a block device
        snd_dma_*,__snd_dma_*,snd_pcm_*,_snd_pcm_*,snd_*,azx_*,hda_*|sound|sound device|buffers or registers of a sound device
        vb2_*,videobuf_*,uvc_*,em28xx_*,v4l2_*,dvb_*|video|video buffer|frames of a video device
        vesafb_probe,efifb_probe,simplefb_probe,simpledrm_*,bochs_*,fbcon_*,ast_*,mgag200_*,cirrus_*,offb_*,framebuffer_*,fb_*,qxl_*,sisfb_*|graphics|-|a frame buffer or the registers of a simple graphics card
        drm_*,ttm_*,ht_create|graphics|graphics object|a graphics object's pages, page directories or shadow frame buffer
        i915_*,intel_gt*,intel_ggtt*,intel_ring*,intel_engine*,intel_context*,intel_lrc*,intel_uncore_init*,intel_opregion*,intel_bios*,intel_vbt*,intel_pin*,intel_vgpu*,intel_gvt*,intel_fb*,intel_dsb*,intel_dpt*,gen6_*,gen8_*,ggtt_*,xe_*,i9xx_*|graphics|graphics object|objects, page tables or registers of Intel graphics
        amdgpu_*,radeon_*,amdgpu*,dc_*,dal_*,dcn*,kfd_*,psp_*,smu_*,nouveau_*,nvkm_*,nvif_*,nv50_*,gf100_*|graphics|graphics object|registers, page tables or buffers of a graphics card
        os_alloc_mem,os_map_kernel_space,_nv*,nv_*,nvidia_*,os_*|graphics|-|memory of a proprietary graphics driver
        vmballoon_*,vmw_*,vmci_*,ppn_*|virt|device|queues of a VMware device
        hv_*,vmbus_*,storvsc_*,hyperv_*|virt|Hyper-V channel|rings and buffers of Hyper-V devices; rings are mapped twice in a row
        xenbus_map_ring_valloc*,gnttab_*,arch_gnttab_*,xen_*,xenbus_*,xlated_*|virt|grant|pages another Xen domain granted
        io_allocate_*,io_rings_*,io_create_region*,io_uring_*,io_*|uring|ring|rings of io_uring
        devkmsg_open|log|reader of the kernel log|the line buffer of one open /dev/kmsg
        syslog_print*,do_syslog,log_buf_*,setup_log_buf,kmsg_dump*|log|-|buffers of the kernel's log
        pstore_*,persistent_ram_*,ramoops_*|log|-|the crash log kept in RAM or flash
        seq_buf_alloc,seq_read,seq_read_iter,traverse,single_open_size|proc|open /proc file|output of a /proc file that does not fit a page
        simple_xattr_*|fs|extended attribute|an extended attribute that tmpfs or a similar file system keeps in memory
        listxattr,getxattr,setxattr,vfs_*xattr,vfs_getxattr_alloc,do_getxattr|fs|-|a copy of a file's extended attribute, for a moment
        memdup_user*,vmemdup_user,kvmemdup,memdup_*,strndup_user|copy|-|a copy of what a program passed to the kernel, for a moment
        pidlist_array_load,cgroup_*,alloc_css_*|cgroup|-|lists of a control group
        policydb_*,avtab_*,sel_*,security_*,sidtab_*,selinux_*,ebitmap_*,cond_*|security|-|the SELinux policy and its tables
        aa_*,unpack_*,multi_transaction_*,apparmor_*,smk_*,ima_*,evm_*,tomoyo_*,integrity_kernel_*|security|profile|policies of AppArmor, Smack or the integrity checks
        kasan_*,kmsan_*,__kasan_*|debug|-|shadow memory of a memory error detector
        kcov_*,kmemleak_*,stack_depot_*,page_owner_*,init_section_page_ext,alloc_page_ext,alloc_page_cgroup,page_ext_*|debug|-|a debugging feature's records: coverage, leaks, call stacks, owners of pages
        init_section_page_cgroup,mem_cgroup_*,alloc_mem_cgroup_*,memcg_*|cgroup|-|the memory controller's records
        kexec_*,kimage_*,crash_*,copy_oldmem_page*,elfcorehdr_*,vmcoreinfo_*,update_vmcoreinfo_*,machine_kexec_*|kexec|-|what a crash kernel or its image needs
        efi_*,uefi_*,iort_*,fdt_*,of_*,unflatten_*,early_*|firmware|-|tables of the firmware
        vmalloc,vmalloc_*,vzalloc*,__vmalloc*,vcalloc,kvmalloc*,kvzalloc*,__kvmalloc*,vrealloc*,kvrealloc*|helper|-|an allocation helper that was not folded into its caller: who really asked is not named
        vmap,vmap_pfn,__vmap*,vm_map_ram|helper|-|a mapping helper: who really asked is not named
        alloc_vm_area,get_vm_area*,__get_vm_area*|helper|-|a reserved range of addresses: who really asked is not named
        sg_*,sgl_*|driver|-|a list of scattered buffers
        *_alloc_test,fix_*_test,random_size_*,full_fit_*,long_busy_*,pcpu_alloc_test|test|-|the kernel's own vmalloc test module
        gsi_*,intel_pmc_*,pmc_core_*,intel_lpss_*,idma64_*,int340x_*,ipmi_*,i2c_*,spi_*,rtc_*,pnp_*,acpi_pnp_*,sdhci_*,mmc_*|driver|device|a device's registers
        cpu_*,cpufreq_*,topology_*,mce_*,microcode_*,x86_*,amd_*,ioapic_*,io_apic_*,native_*,lapic_*,apic_*,setup_*|x86|-|a processor or chipset feature, mapped at boot
        """u8;

    /// <summary>Functions that map device memory for whoever calls them.</summary>
    private static ReadOnlySpan<byte> Helpers =>
        "ioremap*,__ioremap*,of_iomap,of_io_request_and_map,devm_ioremap*,__devm_ioremap*,devm_platform_*,devm_of_iomap,pci_iomap*,pci_ioremap_*,pcim_iomap*,__pci_ioremap_resource,memremap,devm_memremap,acpi_os_map_*,acpi_map,vp_modern_map_capability"u8;

    /// <summary>Owners whose areas end without a guard page.</summary>
    /// <remarks>
    /// Source: mm/vmalloc.c, pcpu_get_vm_areas(), vm_area_register_early(), vm_area_add_early(), 2.6.28 to 7.1;
    /// arch/arm64/mm/mmu.c, VM_NO_GUARD on segments of the image; mm/kasan/shadow.c.
    /// </remarks>
    private static ReadOnlySpan<byte> Guardless =>
        "pcpu_get_vm_areas,setup_per_cpu_areas,pcpu_page_first_chunk,pcpu_setup_first_chunk,vm_area_register_early,paging_init,map_kernel_segment,declare_kernel_vmas,map_kernel,declare_vma,create_mapping,iotable_init,debug_ll_io_init,add_static_vm_early,vm_area_add_early,pci_map_io_early,pci_reserve_io,fill_pmd_gaps,pmd_empty_section_gap,kasan_*,kmsan_*,__kasan_*"u8;
}
